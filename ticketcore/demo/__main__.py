"""`python -m ticketcore.demo`."""

from ticketcore.demo import main

if __name__ == "__main__":
    main()
