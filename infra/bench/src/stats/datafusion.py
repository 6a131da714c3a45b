"""Asks DataFusion the same questions over the same files.

Reads a JSON object from standard input: the directory of the files, how many partitions (threads), how often each
question is asked, and the questions. Prints a line of JSON for each question: the seconds of each time and those of the processor, or the error.
"""

import json
import sys
import time

from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext

asked = json.load(sys.stdin)
config = SessionConfig().with_target_partitions(asked["partitions"])
facts = SessionContext(config, RuntimeEnvBuilder())
facts.register_parquet("facts", asked["directory"])
for question in asked["questions"]:
    told = {"name": question["name"], "seconds": [], "cpu_seconds": 0}
    try:
        # Once before: files and what is known of them are then in memory.
        for turn in range(asked["times"] + 1):
            begun, worked = time.perf_counter(), time.process_time()
            for sql in question["sql"]:
                facts.sql(sql).collect()
            if turn > 0:
                told["seconds"].append(time.perf_counter() - begun)
                told["cpu_seconds"] += (time.process_time() - worked) / asked["times"]
    except Exception as error:
        told["error"] = str(error)[:300]
    print(json.dumps(told), flush=True)
