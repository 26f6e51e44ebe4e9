"""The reports: what a tenant's people did, who could do what, and how the record is.

``registry`` says what a report is and lists them; every other module is a family of them.
"""

from activity.reports import attacks as attacks
from activity.reports import data as data
from activity.reports import health as health
from activity.reports import lifecycle as lifecycle
from activity.reports import privileges as privileges
from activity.reports import signins as signins
from activity.reports import tenants as tenants
from activity.reports.changes import ADMIN_ACTIONS as ADMIN_ACTIONS
from activity.reports.people import MOST_PEOPLE as MOST_PEOPLE
from activity.reports.registry import REPORTS as REPORTS
from activity.reports.registry import Definition as Definition
from activity.reports.registry import Report as Report
from activity.reports.registry import Row as Row
from activity.reports.registry import build as build
from activity.reports.registry import build_all as build_all
from activity.reports.registry import definition_of as definition_of
from activity.reports.registry import here as here
from activity.reports.registry import period_for as period_for
from activity.reports.registry import register as register
