"""Which service of master.cf each request goes through, and by which protocol.

A request that names a service and no transport speaks the protocol of that service's program.  Without a master.cf a service
is only a name for parameters.  What can go wrong: `WrongUsage` for a service that master.cf does not have, or that speaks
another protocol than the one asked for; `WrongConfiguration` for a wrong setting in it.
"""

from __future__ import annotations

from dataclasses import replace

from mailrider.cli.parcels import Batch, Parcel
from mailrider.errors import WrongUsage
from mailrider.model.request import Transport
from mailrider.settings import Settings


def assign_services(batch: Batch, settings: Settings) -> tuple[Batch, list[Settings]]:
    """The batch with every parcel's transport decided, and what was set for each service that it uses, checked."""
    wishes = dict.fromkeys((parcel.service, parcel.transport, parcel.transport_given) for parcel in batch.parcels)
    chosen = {wish: _choose_service(*wish, settings) for wish in wishes}
    readings = []
    for service, transport in dict.fromkeys(chosen.values()):
        reading = settings.for_service(service, transport)
        reading.check()
        readings.append(reading)
    if all((service, transport) == wish[:2] for wish, (service, transport) in chosen.items()):
        return batch, readings
    return replace(batch, parcels=tuple([_assign(parcel, chosen) for parcel in batch.parcels])), readings


def _assign(parcel: Parcel, chosen: dict[tuple[str, Transport, bool], tuple[str, Transport]]) -> Parcel:
    service, transport = chosen[parcel.service, parcel.transport, parcel.transport_given]
    return parcel._replace(service=service, transport=transport)


def _choose_service(service: str, transport: Transport, given: bool, settings: Settings) -> tuple[str, Transport]:
    """The name and the protocol of a service."""
    known = settings.services
    found = known.delivery_agent(service)
    if found is not None:
        assert found.transport is not None
        if given and found.transport is not transport and service != transport.value:
            raise WrongUsage(f"service {service} speaks {found.transport.value} ({found.place}), not {transport.value}")
        return service, transport if given else found.transport
    if known.services and service != transport.value:
        other = next((entry for entry in known.services.values() if entry.name == service), None)
        if other is not None:
            raise WrongUsage(f"service {service} is no delivery agent ({other.place}: {other.command})")
        names = sorted({entry.name for entry in known.services.values() if entry.transport is not None})
        where = next(iter(known.services.values())).path
        raise WrongUsage(f"no service {service} in {where}; its delivery agents are {', '.join(names) or 'none'}")
    return service, transport
