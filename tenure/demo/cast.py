"""Who plays in the demo: twenty customers, and what is going to happen to some of them."""

from dataclasses import dataclass
from enum import StrEnum

BERLIN, UTC_ZONE = "Europe/Berlin", "UTC"


class Part(StrEnum):
    """What happens to a customer."""

    STEADY = "steady"
    FALLING = "falling"  # uses the product less every day
    SILENT = "silent"  # stops, and comes back on the last day
    SHAKEN = "shaken"  # loses its champion and fails to pay; both are mended
    LANDING = "landing"  # new: nothing is to be sold, though the seats are nearly full
    GROWING = "growing"  # nearly all seats in use and nothing in the way


class Backend(StrEnum):
    """How a customer's product backend reports usage."""

    SEGMENT = "segment"
    RUDDER = "rudder"
    KAFKA = "kafka"


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer: ``volume`` is events on an ordinary working day, ``amount`` is in cents."""

    account_id: str
    name: str
    segment: str
    time_zone: str
    backend: Backend
    volume: int
    users: int
    seats: int
    amount: int
    days_to_notice: int
    part: Part = Part.STEADY

    @property
    def user_ids(self) -> tuple[str, ...]:
        """The ids of its users."""
        return tuple(f"{self.account_id}-u{number}" for number in range(1, self.users + 1))


@dataclass(frozen=True, slots=True)
class Person:
    """One of ours."""

    name: str
    email: str


_NAMES = (
    "Alder Freight",
    "Basalt Mining",
    "Cobalt Press",
    "Dune Logistics",
    "Ember Foods",
    "Fjord Shipping",
    "Grove Hotels",
    "Harbor Insurance",
    "Iris Optics",
    "Juniper Media",
    "Kestrel Air",
    "Larch Homes",
    "Mesa Dental",
    "Nimbus Weather",
    "Opal Jewels",
    "Pine Outdoor",
    "Quartz Audio",
    "Ridge Cycling",
    "Sable Studios",
    "Tundra Foods",
)
_PARTS = {
    "Cobalt Press": Part.FALLING,
    "Harbor Insurance": Part.SHAKEN,
    "Juniper Media": Part.GROWING,
    "Mesa Dental": Part.SILENT,
    "Ridge Cycling": Part.LANDING,
}
_VOLUMES = {Part.FALLING: 58, Part.SILENT: 46}
_NEARLY_FULL = {Part.SHAKEN, Part.LANDING, Part.GROWING}
_CSMS = ("Ana Brandt", "Bo Lindqvist", "Chidi Okafor")
_AES = ("Dana Weiss", "Eli Novak")


def customers(suffix: str = "") -> tuple[Customer, ...]:
    """Return the twenty; a suffix makes accounts and segments this run's own."""
    return tuple(_customer(number, name, suffix) for number, name in enumerate(_NAMES))


def csm_of(customer: Customer) -> Person:
    """Return the customer success manager of an account."""
    return _person(_CSMS, customer)


def ae_of(customer: Customer) -> Person:
    """Return the account executive of an account."""
    return _person(_AES, customer)


def _customer(number: int, name: str, suffix: str) -> Customer:
    part = _PARTS.get(name, Part.STEADY)
    users = 8 + number * 3 % 7
    is_mid = number < 10
    return Customer(
        account_id=name.split(maxsplit=1)[0].lower() + suffix,
        name=name,
        segment=("mid" if is_mid else "smb") + suffix,
        time_zone=BERLIN if is_mid else UTC_ZONE,
        backend=tuple(Backend)[number % 3],
        volume=_VOLUMES.get(part, 32 + number * 7 % 29),
        users=users,
        seats=users + 1 if part in _NEARLY_FULL else users * 2,
        amount=(1_200 + 350 * (number * 5 % 11)) * 1_000,
        days_to_notice=_days_to_notice(number),
        part=part,
    )


def _days_to_notice(number: int) -> int:
    """Every fourth renewal is in its window of 120 days; the others come later in the year."""
    return 100 - number if number % 4 == 3 else 150 + 9 * number


def _person(names: tuple[str, ...], customer: Customer) -> Person:
    name = names[sum(customer.account_id.encode()) % len(names)]
    return Person(name, f"{name.split()[0].lower()}@vendor.example")
