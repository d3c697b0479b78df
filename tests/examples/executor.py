# executor.py - submit, futures as they complete, wait
from concurrent.futures import ProcessPoolExecutor, as_completed, wait


def cube(number):
    return number ** 3


if __name__ == "__main__":
    with ProcessPoolExecutor() as executor:
        futures = [executor.submit(cube, number) for number in range(1, 5)]
        print(f"sum as completed: {sum(future.result() for future in as_completed(futures))}")
        wait(futures)
        for number, future in enumerate(futures, 1):
            print(f"{number} cubed is {future.result()}, done: {future.done()}")
