# pool.py - apply, apply_async with a callback, results by get, map
from multiprocessing import Pool


def square(number):
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number * number


def on_done(result):
    print(f"callback: {result}")


if __name__ == "__main__":
    pool = Pool(4)
    print(f"apply: {pool.apply(square, (12,))}")
    for result in pool.map(square, [1, 2, 3, 4]):
        print(f"map: {result}")
    try:
        pool.apply_async(square, (-1,)).get()
    except ValueError as error:
        print(f"get: {error}")
    future = pool.apply_async(square, (5,), callback=on_done)
    pool.close()
    pool.join()
    print(f"get: {future.get()}")
