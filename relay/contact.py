"""Contacts: people with an address, a phone or both, in groups; and what mail to them may say of them."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_NAME, MIDDLE_NAME, LAST_NAME, NAME = "FirstName", "MiddleName", "LastName", "Name"
EMAIL, EXTRA_1, EXTRA_2, DATE_OF_BIRTH = "Email", "ExtraField1", "ExtraField2", "DateOfBirth"
STANDARD_FIELDS = frozenset((FIRST_NAME, MIDDLE_NAME, LAST_NAME, NAME, EMAIL, EXTRA_1, EXTRA_2, DATE_OF_BIRTH))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactDetails:
    """What is known of a contact beside its address and phone. `gender` is 1 for men, 2 for women, 3 for unknown; `born` is
    YYYY-MM-DD or empty; `fields` are merge fields by name.
    """

    first_name: str = ""
    middle_name: str = ""
    last_name: str = ""
    gender: int = 3
    born: str = ""
    extra_1: str = ""
    extra_2: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.first_name, self.middle_name, self.last_name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One of a group. It has a mail address, a phone (its digits), or both. `id` is 0 before it is stored."""

    id: int = 0
    group_id: int
    email: str = ""
    phone: str = ""
    details: ContactDetails = ContactDetails()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactGroup:
    """A list of contacts. `size` counts them."""

    id: int
    name: str
    description: str
    created_at: float
    size: int


def merge_values(email: str, details: ContactDetails) -> dict[str, str]:
    """What stands in the place of [Name] and the like in mail to a contact. Its own fields hide ours of the same name."""
    return {
        FIRST_NAME: details.first_name,
        MIDDLE_NAME: details.middle_name,
        LAST_NAME: details.last_name,
        NAME: details.name,
        EMAIL: email,
        EXTRA_1: details.extra_1,
        EXTRA_2: details.extra_2,
        DATE_OF_BIRTH: details.born,
        **dict(details.fields),
    }
