"""A SLURM of one node on loopback: three daemons in a folder of their own, which are ended by their ids."""

import contextlib
import os
import socket
import subprocess

from made_clusters import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")

CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={machine}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser={user}
SlurmdUser={user}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
KillWait=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SchedulerParameters=batch_sched_delay=1,sched_min_interval=500000
NodeName=only NodeHostname={machine} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=only Default=YES State=UP
"""


def _find_ports(n):
    """Return free ports of this machine."""
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def running_slurm(folder):
    """Start munged, slurmctld and slurmd, and give the variables that SLURM's commands need."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    key, configuration = folder / "munge.key", folder / "slurm.conf"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    facts = {"machine": socket.gethostname(), "folder": folder, "user": os.environ.get("USER", "root")}
    configuration.write_text(CONFIGURATION.format(ports=_find_ports(2), **facts))
    variables = os.environ | {"SLURM_CONF": str(configuration)}
    munge = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket"]
    munge += [f"--{kind}-file={folder}/munged.{kind}" for kind in ("pid", "seed", "log")]
    commands = [munge, ["slurmctld", "-D", "-f", configuration], ["slurmd", "-D", "-f", configuration, "-N", "only"]]
    with contextlib.ExitStack() as started:
        for command in commands:
            with open(folder / f"{command[0]}.out", "w") as out:
                process = subprocess.Popen(command, env=variables, stdout=out, stderr=out)
            started.callback(_end, process)
            if command is munge:
                wait_until((folder / "munge.socket").exists)
        wait_until(lambda: "idle" in _call("sinfo", "-h", "-o", "%t", env=variables))
        yield variables
        _call("scancel", "--user", facts["user"], env=variables)
        wait_until(lambda: not _call("squeue", "-h", env=variables))


def _call(*command, env):
    return subprocess.run(command, env=env, capture_output=True, text=True).stdout.strip()


def _end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
