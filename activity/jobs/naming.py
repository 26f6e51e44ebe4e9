"""What a file is called where it is saved: harmless characters only, whatever the tenant's name."""

from activity.models import ExportJob
from tenants.context import current_tenant


def file_name(job: ExportJob, stored: str = "") -> str:
    """Return such as ``acme-events-2026-01-31.csv.gz``.

    ``stored`` is what the storage calls it, whose end says what it is; without it the job's.
    """
    tenant = current_tenant()
    place = tenant.slug if tenant else "platform"
    ending = (stored or job.file).rpartition("/")[2].partition(".")[2]
    return f"{place}-{job.source}-{job.asked_at.date().isoformat()}.{ending}"
