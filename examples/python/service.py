"""A service of indicators in Python: the trend line of the last closes, on any instrument and timeframe.

It speaks SQL to the database and SQS to its queue, nothing else, and keeps what Foresight promises of a value:

- A message only says where to look. It is deleted after indicator.accept_candles has noted what it named, so a process
  that dies in between gets it again; messages that come twice, late or in another order change nothing.
- Work is struck off after its values are stored. Who dies with work in hand loses the claim after ten seconds.
- A value is a function of its window of candles alone, so what is computed live, from history, or again, is equal.

The database orders the rest: a value of an older revision never overwrites one of a newer.
"""

import json
import logging
import math
import os
import re
import signal
import socket
import sys
import time
from datetime import datetime, timezone

import boto3
import psycopg2
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

SERVICE = "python_example"
KIND = "python_trend_line"

BEAT_EVERY = 2.0  # Seconds; a service that gave no sign of life for 14 is told by ops.status.
TURN = 2.0  # Seconds of work between two looks at the queue and the clock.
MAX_CANDLES = 200  # Candles of one claim: the lease is ten seconds.
LONGEST_PAUSE = 5.0

log = logging.getLogger(SERVICE)


def register(sql):
    """Says that the service is there and what it computes, each time it starts. Returns its queue."""
    [[queue]] = sql("select indicator.register_service(%s, description => %s)", SERVICE, "An example in Python")
    sql(
        """select indicator.register_kind(%s, %s,
          description => 'Trend line: least squares through the last closes',
          rule => 'Bullish when the line rises, bearish when it falls, neutral when it explains less than half of the movement',
          label => 'Trend line {bars}',
          definition => 'Ordinary least squares of the close on the place of its candle',
          parameters => '[{"name": "bars", "type": "integer", "min": 3, "max": 500, "default": 20}]',
          columns => '{close}',
          outputs => '[{"name": "slope", "unit": "price", "pane": "own", "thresholds": [0]},
            {"name": "fit", "unit": "ratio", "pane": "own", "thresholds": [0.5]}]',
          bars_required => '[{"bars": 1}]')""",
        SERVICE,
        KIND,
    )
    return queue


def reading_of(closes):
    """The kernel: outputs, verdict and strength of a full window of closes, the oldest first."""
    count = len(closes)
    middle = (count - 1) / 2
    mean = math.fsum(closes) / count
    along = math.fsum((place - middle) ** 2 for place in range(count))
    across = math.fsum((close - mean) ** 2 for close in closes)
    both = math.fsum((place - middle) * (close - mean) for place, close in enumerate(closes))
    slope = both / along
    fit = min(1.0, both * both / (along * across)) if across > 0 else 0.0
    verdict = 0 if fit < 0.5 else (slope > 0) - (slope < 0)
    return [slope, fit], verdict, verdict * fit


def values_of(indicator, closes, first, last):
    """The values from one place of the window to another: place, reading or None while it warms up, and its bars."""
    for place in range(first, last + 1):
        begin = max(0, place + 1 - indicator["bars_window"])
        bars = place + 1 - begin
        ready = bars >= indicator["bars_required"]
        yield place, reading_of(closes[begin : place + 1]) if ready else None, bars


def compute(sql, claim, buckets, closes, is_history):
    """Computes and stores what a claim asks for."""
    buckets, closes = buckets or [], closes or []
    first = next((place for place, bucket in enumerate(buckets) if bucket >= claim["from_bucket"]), None)
    if first is None:
        return
    changed = max(place for place, bucket in enumerate(buckets) if bucket <= claim["to_bucket"] or place == first)
    for indicator in claim["indicators"]:
        # A candle is in the windows of those after it too.
        last = min(len(buckets) - 1, changed + (0 if is_history else indicator["bars_window"] - 1))
        rows = list(values_of(indicator, closes, first, last))
        readings = [reading for _, reading, _ in rows]
        sql(
            """select indicator.record_values(%s::int[], %s::timestamptz[], %s::text[], %s::int2[], %s::float4[],
              %s::int[], %s::float8[], %s::float8[], %s::int[], %s::bigint[], %s::float8[])""",
            [indicator["indicator_id"]] * len(rows),
            [buckets[place] for place, _, _ in rows],
            [None if reading is None else "{%s}" % ",".join(map(repr, reading[0])) for reading in readings],
            [None if reading is None else reading[1] for reading in readings],
            [None if reading is None else reading[2] for reading in readings],
            *[[None] * len(rows)] * 3,  # No forecast: no horizon and no interval.
            [bars for _, _, bars in rows],
            [claim["revision"]] * len(rows),
            # What is said of a candle that has just closed is kept as it was said.
            [
                None if is_history or buckets[place] > claim["closed_to"] else closes[place]
                for place, _, _ in rows
            ],
        )


class Service:
    """One loop: the queue, what it brought, what is left of it, and a sign of life."""

    def __init__(self):
        self.connection = None
        self.sqs = boto3.client(
            "sqs",
            region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
            # A queue that does not answer keeps it from its other work, and from its sign of life, for no longer.
            config=Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 1}),
        )
        self.queue_url = None
        self.is_stopping = False
        self.has_work = True
        self.beat_at = 0.0

    def stop(self, *_):
        self.is_stopping = True

    def sql(self, statement, *given):
        """Runs one statement, which is a transaction of its own. Returns its rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, given)
            return cursor.fetchall()

    def rows(self, statement, *given):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, given)
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row)) for row in cursor.fetchall()]

    def connect(self):
        self.connection = psycopg2.connect(
            os.environ["DATABASE_URL"],
            connect_timeout=5,
            application_name=SERVICE,
            keepalives_idle=5,
            keepalives_interval=5,
            keepalives_count=2,
            options="-c TimeZone=UTC -c statement_timeout=20s",
        )
        self.connection.autocommit = True
        self.queue = register(self.sql)
        self.has_work = True  # What was in hand when the last connection, or process, ended.
        self.beat_at = 0.0

    def beat(self):
        """Says that the service lives, and hears whether there is work that no message told of."""
        if time.monotonic() < self.beat_at:
            return
        self.beat_at = time.monotonic() + BEAT_EVERY
        [[is_due]] = self.sql(
            "select coalesce(indicator.beat(array[%s], %s, %s) <= clock_timestamp(), false)",
            SERVICE,
            socket.gethostname(),
            os.getpid(),
        )
        self.has_work = self.has_work or is_due

    def receive(self):
        """Messages of the queue; waits a second for them when there is nothing else to do."""
        try:
            if self.queue_url is None:
                self.queue_url = self.sqs.get_queue_url(QueueName=self.queue)["QueueUrl"]
            answer = self.sqs.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=0 if self.has_work else 1,
                VisibilityTimeout=10,
            )
            return answer.get("Messages", [])
        except (BotoCoreError, ClientError) as error:
            # The publisher makes a queue that is missing. Whatever else it is, work goes on without it.
            log.warning("queue %s: %s", self.queue, error)
            self.queue_url = None
            time.sleep(1)
            return []

    def take(self, message):
        """Notes what a message names, and only then deletes it. What is none of ours, or cannot be taken, is set aside."""
        candles, refused = read_message(message["Body"])
        for candle, reason in self.accept(candles):
            refused.append(("not_storable", reason, json.dumps(candle)))
        if refused:
            reasons, details, bodies = map(list, zip(*refused))
            log.warning("%d refused of a message: %s", len(refused), details[0])
            self.sql("select indicator.set_aside(%s, %s, %s, %s)", SERVICE, reasons, details, bodies)
        try:
            self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        except (BotoCoreError, ClientError) as error:
            log.warning("a message comes again: %s", error)

    def accept(self, candles):
        """Has their values asked for; returns those that the database can never take, with the reason."""
        if not candles:
            return []
        try:
            [[news]] = self.sql(
                "select indicator.accept_candles(%s, %s, %s, %s, %s::timestamptz[], %s::bigint[])",
                SERVICE,
                *[[candle[name] for candle in candles] for name in FIELDS],
            )
            self.has_work = self.has_work or news > 0
            return []
        except (psycopg2.DataError, psycopg2.IntegrityError) as error:
            if len(candles) == 1:
                return [(candles[0], str(error))]
            half = len(candles) // 2
            return self.accept(candles[:half]) + self.accept(candles[half:])

    def work(self):
        """Computes changed candles for a turn, then a stretch of history: nothing is struck off before it is stored."""
        ends_at = time.monotonic() + TURN
        claims = self.rows("select * from indicator.claim_pending(%s, %s)", SERVICE, MAX_CANDLES)
        for place, claim in enumerate(claims):
            if self.is_stopping or time.monotonic() > ends_at:
                rest = [work_id for each in claims[place:] for work_id in each["work_ids"]]
                self.sql("select indicator.lease_pending(%s::bigint[], '0')", rest)
                break
            self.compute_pending(claim)
        self.has_work = bool(claims)
        if claims or self.is_stopping:
            return
        for claim in self.rows("select * from indicator.claim_backfill(%s, %s)", SERVICE, MAX_CANDLES):
            self.has_work = True
            self.compute_history(claim)

    def compute_pending(self, claim):
        try:
            around = (claim["bars"] or 1) - 1
            [window] = self.rows(
                "select buckets, closes from indicator.candle_window(%s, %s, %s, %s, %s, %s, %s)",
                claim["instrument_id"],
                claim["timeframe"],
                claim["side"],
                claim["from_bucket"],
                claim["to_bucket"],
                around,
                around,
            )
            compute(self.sql, claim, window["buckets"], window["closes"], is_history=False)
        except CONNECTION_LOST:
            raise
        except Exception as error:
            # It comes again alone, and is set aside when it failed three times.
            log.exception("candles of instrument %s %s", claim["instrument_id"], claim["timeframe"])
            self.sql("select indicator.fail_pending(%s::bigint[], %s)", claim["work_ids"], str(error)[:500])
            return
        self.sql("select indicator.finish_pending(%s::bigint[])", claim["work_ids"])

    def compute_history(self, claim):
        try:
            compute(self.sql, claim, claim["buckets"], claim["closes"], is_history=True)
        except CONNECTION_LOST:
            raise
        except Exception:
            # Its lease ends in ten seconds, then it is tried again; ops.status tells of one that gets no further.
            log.exception("history of indicator %s", claim["indicators"][0]["indicator_id"])
            return
        self.sql("select indicator.finish_backfill(%s, %s)", claim["work_id"], claim["to_bucket"])

    def run(self):
        pause = 0.5
        while not self.is_stopping:
            try:
                if self.connection is None or self.connection.closed:
                    self.connect()
                    log.info("%s listens on %s", SERVICE, self.queue)
                    pause = 0.5
                self.beat()
                for message in self.receive():
                    self.take(message)
                if self.has_work:
                    self.work()
            except CONNECTION_LOST as error:
                # Nothing is lost: what was not struck off is still asked for.
                log.warning("database: %s", error)
                if self.connection is not None:
                    self.connection.close()
                time.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
        if self.connection is not None:
            self.connection.close()


CONNECTION_LOST = (psycopg2.OperationalError, psycopg2.InterfaceError)

FIELDS = ("symbol", "timeframe", "side", "bucket", "revision")


def read_message(body):
    """The candles of a message of version 1, and what is to be set aside of it: reason, detail, body."""
    candles, refused = [], []
    try:
        message = json.loads(body)
        if message["version"] != 1 or not isinstance(message["candles"], list):
            raise ValueError("it is not of version 1")
        for candle in message["candles"]:
            fault = candle_fault(candle)
            if fault is None:
                candles.append({name: candle[name] for name in FIELDS})
            else:
                refused.append(("not_a_candle", "the candle is none: %s" % fault, json.dumps(candle)))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        detail = "the message is none: %s" % (str(error) or type(error).__name__)
        return [], [("not_a_message", detail, storable(body))]
    return candles, refused


def storable(text):
    """As PostgreSQL can keep it: without NUL, and without halves of characters."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def candle_fault(candle):
    """What is wrong with what is read of a candle; the rest of it is read from the database."""
    if not isinstance(candle, dict):
        return "it is no object"
    patterns = {
        "symbol": r"[A-Z0-9][A-Z0-9._:-]{0,31}",
        "timeframe": r"[1-9][0-9]{0,3}[smhd]",
        "side": r"bid|ask|mid|last",
        "bucket": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z",
    }
    for name, pattern in patterns.items():
        if not isinstance(candle.get(name), str) or re.fullmatch(pattern, candle[name], re.ASCII) is None:
            return name
    revision = candle.get("revision")
    if type(revision) is not int or not 0 < revision < 2**63:
        return "revision"
    try:
        datetime.strptime(candle["bucket"][:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return "bucket"
    return None


def main():
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    if "DATABASE_URL" not in os.environ:
        sys.exit("DATABASE_URL must be set")
    service = Service()
    # The turn in hand is finished.
    signal.signal(signal.SIGTERM, service.stop)
    signal.signal(signal.SIGINT, service.stop)
    service.run()


if __name__ == "__main__":
    main()
