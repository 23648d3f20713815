"""All SQL of renewals. Rows never leave this room."""

from services.renewals.storage.accounts import (
    account,
    lock_account,
    lock_account_or_fail,
    save_account,
)
from services.renewals.storage.contracts import add_contract, contract, contracts, save_contract
from services.renewals.storage.renewals import (
    ShownRenewal,
    add_renewal,
    add_window,
    opened_windows,
    renewal,
    renewal_of_contract,
    renewals_by_notice_date,
    renewals_of_account,
    save_renewal,
    shown_renewal,
    undecided_renewals,
)
from services.renewals.storage.risks import add_merge, open_risks, risk, save_risk
from services.renewals.storage.saves import keep_save, open_save, saves

__all__ = [
    "ShownRenewal",
    "account",
    "add_contract",
    "add_merge",
    "add_renewal",
    "add_window",
    "contract",
    "contracts",
    "keep_save",
    "lock_account",
    "lock_account_or_fail",
    "open_risks",
    "open_save",
    "opened_windows",
    "renewal",
    "renewal_of_contract",
    "renewals_by_notice_date",
    "renewals_of_account",
    "risk",
    "save_account",
    "save_contract",
    "save_renewal",
    "save_risk",
    "saves",
    "shown_renewal",
    "undecided_renewals",
]
