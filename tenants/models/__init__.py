"""The tables by which the platform knows its tenants. All live in ``public`` alone."""

from tenants.models.deletion import DeletionCertificate
from tenants.models.domain import Domain
from tenants.models.due import Due
from tenants.models.figures import TenantFigure, TenantMonth
from tenants.models.operation import Operation
from tenants.models.record import DailyCheckpoint, RecordCheck, RecordHead, RecordRollup
from tenants.models.schema import Blueprint, SpareSchema
from tenants.models.support import SupportAccess
from tenants.models.tally import Tally
from tenants.models.tenant import FormerSlug, Tenant

__all__ = [
    "Blueprint",
    "DailyCheckpoint",
    "DeletionCertificate",
    "Domain",
    "Due",
    "FormerSlug",
    "Operation",
    "RecordCheck",
    "RecordHead",
    "RecordRollup",
    "SpareSchema",
    "SupportAccess",
    "Tally",
    "Tenant",
    "TenantFigure",
    "TenantMonth",
]
