import Foundation
import TestSupport

/// A Slurm cluster of one node with four slots, run with this machine's programs during a test.
final class SlurmCluster {
    private let scratch: ScratchFolder
    private var daemons: [pid_t] = []
    private static let programs = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol"]

    /// The reason why Slurm is unavailable here, or nil.
    static var obstacle: String? {
        let missing = programs.filter { find($0) == nil }
        if !missing.isEmpty { return "needs \(missing.joined(separator: ", ")) of Slurm (Debian: slurm-wlm)" }
        return getuid() == 0 ? nil : "needs root to start a Slurm of its own"
    }

    private static func find(_ program: String) -> String? {
        ["/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"].map { $0 + program }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    var environment: [String: String] { ["SLURM_CONF": scratch.path + "/slurm.conf"] }

    init() throws {
        scratch = ScratchFolder()
        let path = scratch.path
        for folder in ["state", "spool", "munge"] {
            try FileManager.default.createDirectory(atPath: "\(path)/\(folder)", withIntermediateDirectories: true)
        }
        let key = try scratch.file("munge/key", Data((0..<1024).map { _ in UInt8.random(in: 0...255) }))
        chmod(key, 0o600)
        chmod(path + "/munge", 0o700)
        try scratch.file("slurm.conf", Self.configuration(path, host: Self.host))
        try start(
            "munged", "--foreground", "--force", "--key-file=\(key)", "--socket=\(path)/munge/socket",
            "--pid-file=\(path)/munge/pid", "--log-file=\(path)/munge/log", "--seed-file=\(path)/munge/seed")
        try wait { FileManager.default.fileExists(atPath: path + "/munge/socket") }
        try start("slurmctld", "-D", "-i")
        try start("slurmd", "-D")
        try wait { try self.run("sinfo", "-h", "-o", "%t").hasPrefix("idle") }
    }

    deinit {
        for daemon in daemons.reversed() {
            kill(daemon, SIGTERM)
            var status: Int32 = 0
            for _ in 0..<50 where waitpid(daemon, &status, WNOHANG) == 0 { usleep(100_000) }
            if kill(daemon, SIGKILL) == 0 { waitpid(daemon, &status, 0) }
        }
    }

    private static var host: String {
        String(ProcessInfo.processInfo.hostName.split(separator: ".").first ?? "localhost")
    }

    private static func configuration(_ path: String, host: String) -> String {
        let port = Int.random(in: 20_000..<30_000)
        return """
            ClusterName=test
            SlurmctldHost=\(host)(127.0.0.1)
            SlurmctldPort=\(port)
            SlurmdPort=\(port + 1)
            SlurmUser=root
            AuthType=auth/munge
            AuthInfo=socket=\(path)/munge/socket,cred_expire=6
            StateSaveLocation=\(path)/state
            SlurmdSpoolDir=\(path)/spool
            SlurmctldPidFile=\(path)/slurmctld.pid
            SlurmdPidFile=\(path)/slurmd.pid
            SlurmctldLogFile=\(path)/slurmctld.log
            SlurmdLogFile=\(path)/slurmd.log
            ProctrackType=proctrack/linuxproc
            TaskPlugin=task/none
            SelectType=select/cons_tres
            SelectTypeParameters=CR_Core
            AccountingStorageType=accounting_storage/none
            JobAcctGatherType=jobacct_gather/none
            MpiDefault=none
            ReturnToService=2
            KillWait=2
            SlurmdParameters=config_overrides
            SchedulerParameters=batch_sched_delay=1,sched_interval=1
            NodeName=\(host) NodeAddr=127.0.0.1 CPUs=4 RealMemory=1000 State=UNKNOWN
            PartitionName=main Nodes=\(host) Default=YES MaxTime=INFINITE State=UP
            """
    }

    /// With the signal mask of a shell: threads of Foundation start programs with most signals blocked.
    private func start(_ program: String, _ arguments: String...) throws {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        for stream in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
            posix_spawn_file_actions_addopen(&files, stream, "/dev/null", O_RDWR, 0)
        }
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
        var words = ([Self.find(program) ?? program] + arguments).map { strdup($0) } + [nil]
        var settings = variables.map { strdup($0) } + [nil]
        defer { (words + settings).forEach { free($0) } }
        var id: pid_t = 0
        guard let path = words[0], posix_spawn(&id, path, &files, &attributes, &words, &settings) == 0 else {
            throw SlurmTimeout()
        }
        daemons.append(id)
    }

    func run(_ program: String, _ arguments: String...) throws -> String {
        try ChildProcess.run(Self.find(program) ?? program, arguments, environment: environment).out
    }

    /// Waits up to `seconds` until a condition is true.
    func wait(seconds: Double = 120, until isTrue: () throws -> Bool) throws {
        let begin = ContinuousClock.now
        while try !isTrue() {
            guard ContinuousClock.now - begin < .seconds(seconds) else { throw SlurmTimeout() }
            usleep(100_000)
        }
    }
}

struct SlurmTimeout: Error {}
