"""What notifications hears, and the words it makes of it."""

from services.notifications.listeners import audience, growth, renewals, risks

LISTENERS = (
    *audience.LISTENERS,
    *risks.LISTENERS,
    *renewals.LISTENERS,
    *growth.LISTENERS,
)
