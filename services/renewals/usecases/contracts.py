"""Contracts are signed and amended; their renewals come and move with them."""

from uuid import UUID

from services.renewals import storage
from services.renewals.domain.contract import Contract, ContractNotFound, NewContract, TermChange
from services.renewals.domain.probability import Assessment
from services.renewals.domain.renewal import Renewal
from services.renewals.usecases.risks import count_open_risks
from services.renewals.usecases.windows import drop_windows, set_windows
from shared.contracts.renewals import ContractAmended, ContractSigned
from shared.db.transaction import Transaction
from shared.kernel.ids import new_id


async def sign_contract(tx: Transaction, order: NewContract) -> Contract:
    """Sign a contract; its renewal exists from now on and starts with the account's open risks.

    The account need not be known yet: until it is, its days are counted in UTC.
    """
    account = await storage.lock_account(tx, order.account_id)
    contract = Contract.signed(order, contract_id=new_id(), at=tx.now)
    assessment = Assessment.of(account.segment, at=tx.now)
    renewal = Renewal.of(contract, renewal_id=new_id(), assessment=assessment)
    await storage.add_contract(tx, contract)
    await storage.add_renewal(tx, renewal)
    tx.emit(_signed(contract))
    await set_windows(tx, account, renewal)
    await count_open_risks(tx, account, renewal)
    return contract


async def contract_to_amend(tx: Transaction, account_id: str, contract_id: UUID) -> Contract:
    """Return a contract that nobody else can change now. Raises `ContractNotFound`."""
    if await storage.account(tx, account_id):
        await storage.lock_account(tx, account_id)
    contract = await storage.contract(tx, account_id, contract_id)
    if contract is None:
        raise ContractNotFound
    return contract


async def amend_contract(tx: Transaction, before: Contract, change: TermChange) -> Contract:
    """Change the term of a contract from `contract_to_amend`; an undecided renewal moves with it.

    Raises `TermEndsBeforeItStarts` or `NoticeDueBeforeTerm`.
    """
    contract = before.amended(change)
    if contract == before:
        return before
    await storage.save_contract(tx, contract)
    tx.emit(_amended(contract))
    renewal = await storage.renewal_of_contract(tx, contract.account_id, contract.contract_id)
    if renewal is not None and renewal.is_undecided:
        await _move(tx, renewal, contract)
    return contract


async def _move(tx: Transaction, before: Renewal, contract: Contract) -> None:
    renewal = before.moved(contract)
    if renewal == before:
        return
    account = await storage.lock_account(tx, contract.account_id)
    await storage.save_renewal(tx, renewal)
    if renewal.notice_date != before.notice_date:
        await drop_windows(tx, before)
        await set_windows(tx, account, renewal)
    await count_open_risks(tx, account, renewal)


def _signed(contract: Contract) -> ContractSigned:
    return ContractSigned(
        account_id=contract.account_id,
        contract_id=str(contract.contract_id),
        starts_on=contract.term.starts_on,
        ends_on=contract.term.ends_on,
        notice_date=contract.term.notice_date,
        auto_renew=contract.term.auto_renew,
        seats=contract.seats,
        amount_minor=contract.amount.amount_minor,
        currency=contract.amount.currency,
    )


def _amended(contract: Contract) -> ContractAmended:
    return ContractAmended(
        account_id=contract.account_id,
        contract_id=str(contract.contract_id),
        ends_on=contract.term.ends_on,
        notice_date=contract.term.notice_date,
        auto_renew=contract.term.auto_renew,
    )
