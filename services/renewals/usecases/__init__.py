"""What renewals does: load before, decide, save, emit. Every use case holds the account's lock."""

from services.renewals.usecases.accounts import describe_account
from services.renewals.usecases.contracts import amend_contract, contract_to_amend, sign_contract
from services.renewals.usecases.renewals import (
    decide_renewal,
    forecast_renewal,
    move_to_stage,
    renewal_to_change,
)
from services.renewals.usecases.risks import note_merge, note_recovery, note_risk
from services.renewals.usecases.windows import open_window

__all__ = [
    "amend_contract",
    "contract_to_amend",
    "decide_renewal",
    "describe_account",
    "forecast_renewal",
    "move_to_stage",
    "note_merge",
    "note_recovery",
    "note_risk",
    "open_window",
    "renewal_to_change",
    "sign_contract",
]
