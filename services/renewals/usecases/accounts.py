"""What accounts mean to renewals: a segment to start from, a zone to count days in."""

from services.renewals import storage
from services.renewals.usecases.windows import set_windows
from shared.db.transaction import Transaction


async def describe_account(
    tx: Transaction, account_id: str, *, segment: str, time_zone: str
) -> None:
    """Note an account's segment and zone: probabilities start anew, windows move."""
    before = await storage.lock_account(tx, account_id)
    account = before.described(segment=segment, time_zone=time_zone)
    if account == before:
        return
    await storage.save_account(tx, account)
    for renewal in await storage.undecided_renewals(tx, account_id):
        after = renewal.assessed(renewal.assessment.for_segment(segment))
        await storage.save_renewal(tx, after)
        await set_windows(tx, account, after)
