"""Files of exports in a bucket: the wiring, against a server that speaks as much S3 as it takes."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.core.files.storage import storages

from activity.jobs import asking, keeping, kept, running, serving, steps
from config.environment import InvalidEnvironment, read
from config.settings import exports as settings_of_exports
from tenants.context import enter_tenant
from tests.exports import exports_of_its_own as exports_of_its_own
from tests.exports import files, made

pytestmark = pytest.mark.usefixtures("exports_of_its_own")


class Bucket(BaseHTTPRequestHandler):
    """Puts, gets, lists and deletes objects, as far as django-storages asks."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes] = {}
    is_shut = False
    gate: threading.Event | None = None
    """What the second half of each object waits for."""
    waited_in_vain = False

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.get("length", str(len(body))))
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(body) // 2
        self.wfile.write(body[:half])
        if half and self.gate and not self.gate.wait(20):
            type(self).waited_in_vain = True
        self.wfile.write(body[half:])

    def do_PUT(self) -> None:
        if "chunked" in self.headers.get("Content-Encoding", ""):
            body = self._chunks()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.is_shut:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            return
        self.objects[unquote(urlsplit(self.path).path)] = body
        self._answer(200, ETag=f'"{hashlib.md5(body).hexdigest()}"')

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if "list-type" in url.query or "prefix" in url.query:
            self._list(
                unquote(url.path).rstrip("/"),
                parse_qs(url.query)["prefix"][0],
                by_folder="delimiter" in url.query,
            )
            return
        body = self.objects.get(unquote(url.path))
        if self.is_shut:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        elif body is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._answer(200, body, ETag='"x"', Last_Modified="Mon, 23 Nov 2026 09:00:00 GMT")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.objects.pop(unquote(urlsplit(self.path).path), None)
        self._answer(204)

    def _list(self, bucket: str, prefix: str, *, by_folder: bool) -> None:
        keys = [key.removeprefix(f"{bucket}/") for key in self.objects]
        below = [key for key in keys if key.startswith(prefix)]
        direct = [key for key in below if not by_folder or "/" not in key.removeprefix(prefix)]
        deeper = {
            prefix + key.removeprefix(prefix).partition("/")[0] + "/" for key in below if by_folder
        }
        inside = "".join(
            f"<Contents><Key>{key}</Key><Size>{size}</Size></Contents>"
            for key in direct
            for size in [len(self.objects[f"{bucket}/{key}"])]
        )
        inside += "".join(
            f"<CommonPrefixes><Prefix>{one}</Prefix></CommonPrefixes>"
            for one in sorted(deeper - {key + "/" for key in direct})
        )
        name = "http://s3.amazonaws.com/doc/2006-03-01/"
        body = f'<ListBucketResult xmlns="{name}"><IsTruncated>false</IsTruncated>{inside}'
        self._answer(200, f"{body}</ListBucketResult>".encode(), Content_Type="application/xml")


@pytest.fixture
def bucket(settings, monkeypatch) -> Iterator[type[Bucket]]:
    """A bucket that the settings lead to, as the environment says it."""
    Bucket.objects, Bucket.is_shut = {}, False
    Bucket.gate, Bucket.waited_in_vain = None, False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"s3://id:secret@files/of/us?region=eu-central-1&endpoint=http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(settings_of_exports, "ENVIRONMENT", read({"TENANTRY_EXPORTS_URL": url}))
    configured = settings_of_exports._exports()
    configured["OPTIONS"]["addressing_style"] = "path"
    settings.STORAGES = {**settings.STORAGES, "exports": configured}
    try:
        yield Bucket
    finally:
        storages["exports"].connection.meta.client.close()
        server.shutdown()
        server.server_close()


def test_files_lie_below_the_prefix_of_their_tenant_and_go_with_them(
    acme, ann, bucket, exports_of_its_own
):
    job = made(acme, ann)
    prefix = f"/files/of/us/{acme.pk}/{job.pk}"
    assert sorted(bucket.objects) == [f"{prefix}/1.csv", f"{prefix}/1.manifest.json"]
    assert hashlib.sha256(bucket.objects[f"{prefix}/1.csv"]).hexdigest() == job.sha256
    assert files(exports_of_its_own) == []
    with enter_tenant(acme):
        with keeping.opened(job) as file:
            assert hashlib.sha256(file.read()).hexdigest() == job.sha256
        steps.expire(job, "its time was over")
    assert bucket.objects == {}


def test_a_download_is_answered_before_the_bucket_has_given_all_of_it(acme, ann, bucket):
    job = made(acme, ann)
    bucket.gate = threading.Event()
    with enter_tenant(acme):
        answer = serving.answer(job)
    bucket.gate.set()
    whole = b"".join(answer)
    answer.file_to_stream.close()

    assert not bucket.waited_in_vain
    assert hashlib.sha256(whole).hexdigest() == job.sha256
    assert answer["Content-Length"] == str(len(whole))


def test_a_file_of_a_bucket_is_copied(acme, ann, bucket, exports_of_its_own):
    job = made(acme, ann)
    with enter_tenant(acme):
        copied = keeping.copy(job, f"{acme.pk}/schedule-x/copy.csv")
    assert hashlib.sha256(bucket.objects[f"/files/of/us/{copied}"]).hexdigest() == job.sha256
    assert files(exports_of_its_own) == []


def test_a_file_that_a_bucket_has_no_more_is_over_and_one_it_will_not_give_is_not(
    acme, ann, bucket
):
    job = made(acme, ann)
    with enter_tenant(acme):
        bucket.is_shut = True
        with pytest.raises(keeping.StorageUnavailable):
            serving.answer(job)
        bucket.is_shut = False
        bucket.objects.clear()
        assert serving.answer(job) is None
        job.refresh_from_db()
        assert job.state == "expired"


def test_what_schedules_keep_in_a_bucket_takes_of_the_room(acme, ann, bucket):
    job = made(acme, ann)
    with enter_tenant(acme):
        before = asking.bytes_kept()
        for number in range(2):
            keeping.copy(job, f"{acme.pk}/{kept.BY_SCHEDULES}{number}/copy.csv")
        assert (before, asking.bytes_kept()) == (job.bytes, 3 * job.bytes)


@pytest.mark.parametrize("between", ["/", "\\"])
def test_no_name_leads_out_of_the_folder_of_a_job(acme, globex, ann, sam, bucket, between):
    """A bucket's storage takes backslashes for slashes, and dots as a file system does."""
    theirs, job = made(globex, sam), made(acme, ann)
    up = between.join(["..", "..", *theirs.file.split("/")])
    with enter_tenant(acme):
        for name in (theirs.file, f"{acme.pk}/{job.pk}/{up}", f"/{job.file}"):
            with pytest.raises(keeping.NotKept):
                keeping.opened(job, name)


def test_a_bucket_that_refuses_fails_the_job_with_a_sentence(acme, ann, bucket):
    bucket.is_shut = True
    with enter_tenant(acme):
        job = asking.request("events", {}, "csv", by=ann)
        assert running.run(str(job.pk)) == "failed"
        job.refresh_from_db()
    assert "the storage refused the file" in job.error.lower()
    assert bucket.objects == {}


def test_purging_a_tenant_empties_its_prefix(acme, globex, ann, sam, bucket):
    made(acme, ann)
    other = made(globex, sam)
    assert keeping.drop_all_of(acme) == 2
    assert all(str(other.pk) in name for name in bucket.objects)
    assert len(bucket.objects) == 2


@pytest.mark.parametrize(
    "url",
    ["s3://", "http://files", "s3://files?endpoint=files", "s3://files?colour=red", "s3://a b"],
)
def test_an_address_that_is_none_stops_the_start_and_shows_no_secret(url):
    with pytest.raises(InvalidEnvironment, match="TENANTRY_EXPORTS_URL"):
        read({"TENANTRY_EXPORTS_URL": url})
    with pytest.raises(InvalidEnvironment) as refused:
        read({"TENANTRY_EXPORTS_URL": "s3://id:hush@files?colour=red"})
    assert "hush" not in str(refused.value)
