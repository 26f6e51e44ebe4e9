"""``account token``: the API tokens of people, for whoever runs their services."""

import argparse
from typing import Any

from django.db.models import QuerySet

from accounts import api_tokens, whom
from accounts.api_tokens import DAYS, SCOPES, USUAL_DAYS
from accounts.models import ApiToken
from activity.places import place
from activity.subjects import label_of
from tenants import reasons
from tenants.commandline import Output, Verb, VerbGroup
from tenants.errors import InvalidInput


class MakeToken(Verb):
    """Make one."""

    name = "make"
    help = (
        "Make an API token with which a program acts as a person. It is shown this once. The "
        "person is mailed, and it is recorded with the reason."
    )
    examples = (
        "account token make --tenant acme --person ann --name nightly --reason 'ticket 17'",
        "account token make --person olga --name watch --scope record:verify --reason 'new host'",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose, and what it may do."""
        whom.add_place(parser)
        whom.add_person(parser)
        parser.add_argument("--name", required=True, help="what it is for")
        parser.add_argument(
            "--scope",
            action="append",
            metavar="SCOPE",
            help=f"again for several: {', '.join(SCOPES)}; default: record:read",
        )
        parser.add_argument(
            "--days",
            type=int,
            default=USUAL_DAYS,
            help=f"when it expires: {', '.join(map(str, DAYS))}; default: {USUAL_DAYS}",
        )
        parser.add_argument("--reason", required=True, help="goes into the record")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Make it, or say that it could be made."""
        scopes = options.scope or ["record:read"]
        with place(options):
            person = whom.find(options.person)
            given = (person, options.name, scopes, options.days)
            if options.dry_run:
                api_tokens.check_making_for(*given, options.reason)
                token, text = None, ""
            else:
                token, text = api_tokens.make_for(*given, options.reason)
            label = label_of(person)
        if output.as_json:
            output.document(
                {
                    "changed": True,
                    "dry_run": token is None,
                    "person": str(person.public_id),
                    "token": {**_document(token), "text": text} if token else None,
                }
            )
        if token is None:
            output.say(f"would make the token {options.name} of {label}")
            return
        output.say(f"made: {token} of {label}, until {token.expires_at:%Y-%m-%d}", text)


class ListTokens(Verb):
    """List them."""

    name = "list"
    help = "List the API tokens that are good, with whose they are; with --all those that ended."
    examples = ("account token list --tenant acme", "account token list --tenant acme --all --json")

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare whose."""
        whom.add_place(parser)
        whom.add_person(parser, required=False)
        parser.add_argument("--all", action="store_true", help="those that have ended as well")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """Print them."""
        with place(options):
            found = _of(options.person)
            tokens = [one for one in found if options.all or one.state == "good"]
        if output.as_json:
            output.document({"tokens": [_document(token) for token in tokens]})
            return
        output.table(
            ["BEGINNING", "NAME", "PERSON", "SCOPES", "STATE", "EXPIRES", "LAST USED"],
            [
                (
                    *(one.beginning, one.name, one.user.username, one.scopes, one.state),
                    f"{one.expires_at:%Y-%m-%d}",
                    f"{one.last_used_at:%Y-%m-%d}" if one.last_used_at else "never",
                )
                for one in tokens
            ],
            empty="There are no tokens.",
        )


class EndToken(Verb):
    """End one, or all of a person."""

    name = "end"
    help = "End an API token, or with --person all of somebody. It opens nothing from then on."
    examples = (
        "account token end tnt_k3v6qa --tenant acme --reason 'found in a log'",
        "account token end --tenant acme --person ann --reason 'laptop lost'",
    )
    can_change = True

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which."""
        parser.add_argument(
            "token", nargs="?", default="", metavar="TOKEN", help="its beginning, or its id"
        )
        whom.add_place(parser)
        whom.add_person(parser, required=False)
        parser.add_argument("--reason", default="", help="goes into the record")

    def run(self, options: argparse.Namespace, output: Output) -> None:
        """End what was named, or say that it has ended already."""
        if bool(options.token) == bool(options.person):
            raise InvalidInput(
                "say which token.", "Give its beginning, or --person for all of somebody."
            )
        reason = reasons.sound(options.reason) if options.reason else ""
        with place(options):
            chosen = list(
                _of(options.person) if options.person else [api_tokens.found(options.token)]
            )
            good = [token for token in chosen if token.state == "good"]
            if not options.dry_run:
                good = [token for token in good if api_tokens.revoke(token, reason)]
        if output.as_json:
            output.document(
                {
                    "changed": bool(good),
                    "dry_run": options.dry_run,
                    "ended": [_document(token) for token in good],
                }
            )
        will = "would end" if options.dry_run else "ended"
        output.say(*(f"{will}: {token} of {label_of(token.user)}" for token in good))
        if not good:
            output.say("There is nothing to end.")


class Token(VerbGroup):
    """API tokens."""

    name = "token"
    help = "The API tokens of people: making one for a service, listing and ending them."
    verbs = (MakeToken, ListTokens, EndToken)


def _of(who: str) -> QuerySet[ApiToken]:
    tokens = ApiToken.objects.select_related("user").order_by("-id")
    return tokens.filter(user=whom.find(who)) if who else tokens


def _document(token: ApiToken) -> dict[str, Any]:
    return {
        "id": str(token.pk),
        "name": token.name,
        "beginning": token.beginning,
        "person": str(token.user.public_id),
        "username": token.user.username,
        "scopes": token.scopes.split(),
        "state": token.state,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    }
