# tickets.py - the ticket office: many buyers, few tickets, never oversold
from multiprocessing import Manager, Pool

TICKETS, BUYERS = 5, 12


def buy(arguments):
    lock, sold, buyer = arguments
    with lock:
        number = len(sold)
        if number < TICKETS:
            sold[number + 1] = buyer
    return "bought" if number < TICKETS else "sold out"


if __name__ == "__main__":
    with Manager() as manager, Pool(4) as pool:
        lock, sold = manager.Lock(), manager.dict()
        results = pool.map(buy, [(lock, sold, f"buyer {i}") for i in range(BUYERS)])
        bought = results.count("bought")
        print(f"{BUYERS} buyers, {bought} bought, {len(sold)} tickets sold")
