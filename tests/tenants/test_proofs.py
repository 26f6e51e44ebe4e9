"""Proofs of domains: what DNS and the web say, with servers of the tests' own."""

import time
from collections.abc import Iterator
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from tenants.errors import TenantryError
from tenants.proofs import PATH, By, NotPublished, Proof, Unproven, Unreachable
from tenants.resolver import NetworkResolver, is_public
from tests.tenants.outside import NameServer, WebServer, name_server, web_server

HOST = "people.acme.example"
PROOF = Proof(HOST, "9n2yB4vZ")
VALUE = "tenantry-verification=9n2yB4vZ"
RECORD = "_tenantry-challenge.people.acme.example"


@pytest.fixture
def names() -> Iterator[NameServer]:
    with name_server() as server:
        yield server


@pytest.fixture
def web(names: NameServer) -> Iterator[WebServer]:
    names.publish(HOST, "A", "127.0.0.1")
    with web_server() as server:
        yield server


def ask_dns(names: NameServer, *, seconds: float = 3.0) -> None:
    PROOF.look_for(By.DNS, NetworkResolver([names.address], seconds=seconds))


def ask_web(names: NameServer, web: WebServer, *, seconds: float = 3.0) -> None:
    """Ask the test's own server, which only a test may reach: it is on this machine."""
    resolver = NetworkResolver(
        [names.address], seconds=seconds, port=web.port, may_connect=lambda address: True
    )
    PROOF.look_for(By.HTTP, resolver)


def refusal(kind: type[TenantryError], *arguments: object, **options: object) -> str:
    """What asking is refused with, which is of exactly this kind, on one line and not too long."""
    ask = ask_web if len(arguments) == 2 else ask_dns
    with pytest.raises(TenantryError) as refused:
        ask(*arguments, **options)  # type: ignore[operator]
    assert type(refused.value) is kind
    said = str(refused.value)
    assert said.isprintable()
    assert len(said) < 600
    return said


def test_what_is_to_be_published_names_the_host_and_the_challenge() -> None:
    assert (PROOF.record, PROOF.value) == (RECORD, VALUE)
    assert PROOF.url == "http://people.acme.example/.well-known/tenantry-challenge"


# DNS


@pytest.mark.parametrize(
    "published",
    [
        [f'"{VALUE}"'],
        ['"v=spf1 -all"', f'"{VALUE}"', '"google-site-verification=x"'],
        ['"tenantry-verif" "ication=" "9n2yB4vZ"'],
        [f'" {VALUE} "'],
    ],
    ids=["alone", "among others", "in chunks", "with spaces around it"],
)
def test_the_right_record_is_a_proof(names: NameServer, published: list[str]) -> None:
    names.publish(RECORD, "TXT", *published)

    ask_dns(names)

    assert names.asked == [(RECORD, "TXT", False)]


def test_a_record_that_lives_elsewhere_by_cname_is_a_proof(names: NameServer) -> None:
    names.publish(RECORD, "CNAME", "proofs.dns-host.example.")
    names.publish("proofs.dns-host.example", "TXT", f'"{VALUE}"')

    ask_dns(names)


def test_a_long_answer_is_asked_for_again_by_tcp(names: NameServer) -> None:
    names.publish(RECORD, "TXT", *(f'"{number:03}{"x" * 200}"' for number in range(30)))
    names.publish(RECORD, "TXT", f'"{VALUE}"')

    def cut(query: dns.message.Message, by_tcp: bool) -> dns.message.Message:
        answer = dns.message.make_response(query, recursion_available=True)
        if by_tcp:
            names._add(answer, RECORD, "TXT")
        else:
            answer.flags |= dns.flags.TC
        return answer

    names.special[RECORD] = cut

    ask_dns(names)

    assert [by_tcp for _, _, by_tcp in names.asked] == [False, True]


@pytest.mark.parametrize(
    "published",
    [
        "tenantry-verification=another",
        f"x{VALUE}",
        f"{VALUE}x",
        VALUE.upper(),
        "tenantry-verification=",
        "9n2yB4vZ",
    ],
)
def test_another_record_is_none_and_is_shown(names: NameServer, published: str) -> None:
    names.publish(RECORD, "TXT", f'"{published}"')

    said = refusal(Unproven, names)

    assert f'holds "{published}", not the proof' in said
    assert f'Publish "{VALUE}" there' in said


def test_of_many_and_wild_records_a_few_are_shown_in_printable_form(names: NameServer) -> None:
    names.publish(RECORD, "TXT", *(f'"\\000\\226\\128\\174\\010{"y" * 200}{n}"' for n in range(9)))

    said = refusal(Unproven, names)

    assert "and 6 more" in said
    assert "\\x00" in said


def test_a_name_that_does_not_exist_is_not_published_yet(names: NameServer) -> None:
    assert f"no TXT record at {RECORD} yet" in refusal(NotPublished, names)


def test_a_name_with_other_records_is_not_published_yet(names: NameServer) -> None:
    names.publish(RECORD, "A", "192.0.2.1")

    assert "no TXT record" in refusal(NotPublished, names)


def test_the_proof_of_the_domain_above_is_none_of_this_one(names: NameServer) -> None:
    names.publish("_tenantry-challenge.acme.example", "TXT", f'"{VALUE}"')

    refusal(NotPublished, names)


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED"])
def test_a_name_server_that_fails_has_decided_nothing(names: NameServer, rcode: str) -> None:
    def fail(query: dns.message.Message, by_tcp: bool) -> dns.message.Message:
        answer = dns.message.make_response(query)
        answer.set_rcode(dns.rcode.from_text(rcode))
        return answer

    names.special[RECORD] = fail

    said = refusal(Unreachable, names)

    assert f"DNS could not be asked about {RECORD}: {rcode}" in said
    assert "Nothing was decided" in said


def test_a_name_server_that_is_silent_is_given_up_in_time(names: NameServer) -> None:
    names.special[RECORD] = lambda *_: None
    before = time.monotonic()

    assert "no answer in 0.6 seconds" in refusal(Unreachable, names, seconds=0.6)

    assert time.monotonic() - before < 3


def test_a_name_server_that_is_not_there_has_decided_nothing(names: NameServer) -> None:
    with name_server() as gone:
        names.address = gone.address

    refusal(Unreachable, names, seconds=0.6)


def test_after_a_name_server_that_is_silent_the_next_is_asked(names: NameServer) -> None:
    names.publish(RECORD, "TXT", f'"{VALUE}"')
    with name_server() as silent:
        silent.special[RECORD] = lambda *_: None

        PROOF.look_for(By.DNS, NetworkResolver([silent.address, names.address], seconds=1.5))

        assert silent.asked


def test_an_answer_is_not_kept(names: NameServer) -> None:
    refusal(NotPublished, names)
    names.publish(RECORD, "TXT", f'"{VALUE}"')

    ask_dns(names)


def test_a_name_that_is_too_long_for_the_record_is_proven_by_a_file() -> None:
    longest = Proof(".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61]), "x")

    with pytest.raises(Unproven, match=r"too long a name for DNS\. Prove it by a file: --by http"):
        longest.look_for(By.DNS, NetworkResolver(["127.0.0.1:9"], seconds=0.5))


# A file


def test_the_right_file_is_a_proof(names: NameServer, web: WebServer) -> None:
    web.say("200 OK", VALUE + "\n")

    ask_web(names, web)

    [request] = web.requests
    lines = request.decode().split("\r\n")
    assert lines[0] == f"GET {PATH} HTTP/1.1"
    assert f"Host: {HOST}" in lines
    assert not [line for line in lines if line.lower().startswith(("cookie", "authorization"))]


def test_a_file_in_chunks_is_a_proof(names: NameServer, web: WebServer) -> None:
    chunks = "".join(f"{len(part):x}\r\n{part}\r\n" for part in (VALUE[:9], VALUE[9:], ""))
    web.drip(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}".encode(), pause=0)

    ask_web(names, web)


def test_another_file_is_none_and_is_shown(names: NameServer, web: WebServer) -> None:
    web.say("200 OK", "<html>\x1b[31m hello")

    assert 'holds "<html>\\x1b[31m hello", not the proof' in refusal(Unproven, names, web)


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_no_file_is_not_published_yet(names: NameServer, web: WebServer, status: str) -> None:
    web.say(status, VALUE)

    assert "there is nothing at" in refusal(NotPublished, names, web)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed(names: NameServer, web: WebServer, status: str) -> None:
    web.say(status, VALUE, f"Location: http://{HOST}:{web.port}/elsewhere")

    assert "a redirect, which is not followed" in refusal(Unproven, names, web)
    assert len(web.requests) == 1


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "206 Partial Content"])
def test_only_what_everybody_gets_is_a_proof(
    names: NameServer, web: WebServer, status: str
) -> None:
    web.say(status, VALUE)

    assert f"answers {status[:3]}" in refusal(Unproven, names, web)


def test_a_server_that_is_out_of_order_has_decided_nothing(
    names: NameServer, web: WebServer
) -> None:
    web.say("503 Service Unavailable", VALUE)

    assert "answers 503. Nothing was decided" in refusal(Unreachable, names, web)


def test_a_large_file_is_refused_and_not_read(names: NameServer, web: WebServer) -> None:
    web.say("200 OK", VALUE + " " * 2_000_000)

    assert "more than 1024 bytes" in refusal(Unproven, names, web)


def test_headers_without_end_are_not_read_to_the_end(names: NameServer, web: WebServer) -> None:
    web.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: 1234567890\r\n" * 100_000, pause=0)

    assert "not HTTP" in refusal(Unreachable, names, web)


def test_what_is_no_http_has_decided_nothing(names: NameServer, web: WebServer) -> None:
    web.drip(b"220 mail.acme.example ESMTP\r\n", pause=0)

    assert "what it said is not HTTP" in refusal(Unreachable, names, web)


def test_a_server_that_drips_is_given_up_in_time(names: NameServer, web: WebServer) -> None:
    whole = f"HTTP/1.1 200 OK\r\nContent-Length: {len(VALUE)}\r\n\r\n{VALUE}".encode()
    web.drip(*(bytes([byte]) for byte in whole), pause=1)
    before = time.monotonic()

    assert "it took too long" in refusal(Unreachable, names, web, seconds=1.0)

    # To the end it would have been a minute and a half.
    assert time.monotonic() - before < 30


def test_a_host_without_a_server_has_decided_nothing(names: NameServer, web: WebServer) -> None:
    with web_server() as gone:
        web.port = gone.port

    assert "connection refused" in refusal(Unreachable, names, web)


def test_a_host_without_an_address_is_not_published_yet(names: NameServer, web: WebServer) -> None:
    names.records.clear()

    assert "has no address" in refusal(NotPublished, names, web)


# No way to servers that only we reach


def test_a_server_on_our_side_is_not_connected_to(names: NameServer, web: WebServer) -> None:
    web.say("200 OK", VALUE)
    resolver = NetworkResolver([names.address], port=web.port)

    with pytest.raises(Unproven, match=r"127\.0\.0\.1, which is not a public address"):
        PROOF.look_for(By.HTTP, resolver)

    assert web.requests == []


def test_a_name_that_means_another_address_a_moment_later_gains_nothing(
    names: NameServer, web: WebServer
) -> None:
    """DNS rebinding: public when it is checked, ours when it is connected to."""
    web.say("200 OK", VALUE)
    answers = iter(["192.0.2.7", "127.0.0.1", "127.0.0.1", "127.0.0.1"])

    def rebind(query: dns.message.Message, by_tcp: bool) -> dns.message.Message:
        answer = dns.message.make_response(query, recursion_available=True)
        if query.question[0].rdtype.name == "A":
            answer.answer.append(dns.rrset.from_text(f"{HOST}.", 0, "IN", "A", next(answers)))
        return answer

    names.special[HOST] = rebind
    resolver = NetworkResolver(
        [names.address],
        seconds=1.0,
        port=web.port,
        # TEST-NET stands in for the Internet; nothing answers there.
        may_connect=lambda address: str(address) == "192.0.2.7",
    )

    with pytest.raises(Unreachable):
        PROOF.look_for(By.HTTP, resolver)

    assert [kind for name, kind, _ in names.asked if name == HOST].count("A") == 1
    assert web.requests == []


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1"),
        # IPv4 inside IPv6: mapped, compatible, 6to4, Teredo and both forms of NAT64.
        *("::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "2002:a00:1::", "2001::1"),
        *("64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::10.0.0.1"),
    ],
)
def test_an_address_that_not_everybody_reaches_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "2002:909:909::", "64:ff9b::9.9.9.9"],
)
def test_an_address_that_everybody_reaches_is_public(address: str) -> None:
    assert is_public(ip_address(address))
