"""agent-sink-python is a sink for the agent: it appends each CloudTrail record to a
file, one JSON object a line."""

import json
import os

import agent_plugin


class Sink:
    """Appends to one file."""

    def __init__(self, settings):
        try:
            self.file = open(settings["path"], "ab+")
        except (PermissionError, FileNotFoundError) as error:
            raise agent_plugin.Denied(error)  # somebody has to act
        self.cut_torn_line()

    def cut_torn_line(self):
        """Remove what a kill in the middle of a write left of the last line. It was not
        acknowledged, so the agent writes the record again."""
        end = self.file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            self.file.seek(start)
            found = self.file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        self.file.truncate(end)

    def write(self, batch):
        rejected = {}
        lines = []
        for index, event in enumerate(batch.events):
            try:
                json.loads(event.raw)
            except ValueError as error:
                rejected[index] = f"record is not JSON: {error}"
                continue
            # Line breaks in valid JSON are space, never a part of a string.
            lines.append(event.raw.replace(b"\r", b"").replace(b"\n", b""))
        if lines:
            size = self.file.seek(0, os.SEEK_END)
            try:
                self.file.write(b"\n".join(lines) + b"\n")
                self.file.flush()
            except OSError:
                self.file.truncate(size)  # a full disk may have taken a part
                raise
            os.fsync(self.file.fileno())  # returning says that it is durable
        return rejected

    def close(self):
        self.file.close()


agent_plugin.serve_sink("python", "1.0.0", Sink, [
    agent_plugin.setting("path", "string", "File to append to."),
])
