"""A disk of its own for each node's WAL: a small file system in this machine's memory, on a loop
device of its own, so that its queue and its syncs are nobody else's. Needs root."""
import os
import pathlib
import subprocess

IMAGE_BYTES = 1536 << 20
IMAGES = pathlib.Path("/dev/shm")


class WalDisk:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.image = IMAGES / f"trilog-bounds-{os.getpid()}-{self.folder.name}"
        self.folder.mkdir(parents=True)
        try:
            with open(self.image, "wb") as image:
                image.truncate(IMAGE_BYTES)
            self._run("mkfs.ext4", "-q", self.image)
            self._run("mount", "-o", "loop", self.image, self.folder)
        except BaseException:
            self.image.unlink(missing_ok=True)
            raise

    def remove(self):
        self._run("umount", self.folder)
        self.image.unlink()

    @staticmethod
    def _run(*command):
        subprocess.run([str(word) for word in command], check=True, timeout=60,
                       stdin=subprocess.DEVNULL)
