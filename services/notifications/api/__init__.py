"""The HTTP door."""

from services.notifications.api import deliveries, endpoints, inbox, stream, subscriptions

ROUTERS = (
    subscriptions.router,
    endpoints.router,
    stream.router,
    inbox.router,
    deliveries.router,
)
