import Extraction
import Foundation
import GRDB
import Synchronization
import TestSupport
import Testing

@Suite(.serialized) struct EnduranceTests {
    @Test("two writers and many readers can use one cache at the same time: all finish, and it is intact")
    func writersAndReaders() throws {
        let place = try Workplace(clips: 40, after: "extract")
        let other = ["extract", "p.yaml", "--workers", "1", "--set", "extract.image_size=64", "--set", "name=other"]
        let extract = try Program.start(other, in: place.path)
        let path = place.path + "/features.sqlite"
        let answers = Atomic<Int>(0)
        let errors = Mutex<[String]>([])
        let isOver = Atomic<Bool>(false)
        let readers = DispatchGroup()
        for _ in 0..<4 {
            DispatchQueue.global().async(group: readers) {
                var configuration = Configuration()
                configuration.readonly = true
                configuration.busyMode = .timeout(30)
                while !isOver.load(ordering: .relaxed) {
                    do {
                        let queue = try DatabaseQueue(path: path, configuration: configuration)
                        for _ in 0..<20 {
                            let frames = try queue.read {
                                try Int.fetchOne(
                                    $0, sql: "SELECT count(*) FROM frame_feature WHERE extraction = 'tiny'")
                            }
                            if frames != 160 { errors.withLock { $0.append("\(frames ?? -1) frames") } }
                            answers.add(1, ordering: .relaxed)
                        }
                    } catch { errors.withLock { $0.append("\(error)") } }
                }
            }
        }
        for seed in 1...3 {
            try place.run("sequence", "p.yaml", "--set", "sequence.seed=\(seed)", "--name", "s\(seed)", status: 0)
        }
        let extracted = extract.wait()
        isOver.store(true, ordering: .relaxed)
        readers.wait()
        #expect(extracted.status == 0, "\(extracted.error)")
        #expect(errors.withLock { $0 } == [] && answers.load(ordering: .relaxed) > 20)
        #expect(try place.query("SELECT count(*) FROM sequence") == [80])
        #expect(try place.query("SELECT state FROM run") == ["finished", "finished", "finished"])
        #expect(try place.run("cache", "verify").status == 0)
    }

    /// A system time with an offset of `CLOCK_YEARS`, which every other call changes by a year.
    private static let wrongClock = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdlib.h>
        #include <sys/time.h>
        #include <time.h>
        int clock_gettime(clockid_t id, struct timespec *now) {
          static int (*real)(clockid_t, struct timespec *);
          static int asked;
          if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
          int status = real(id, now);
          const char *years = getenv("CLOCK_YEARS");
          if (id == CLOCK_REALTIME && years) now->tv_sec += 31557600L * (atoi(years) + asked++ % 2);
          return status;
        }
        int gettimeofday(struct timeval *now, void *zone) {
          struct timespec time;
          int status = clock_gettime(CLOCK_REALTIME, &time);
          now->tv_sec = time.tv_sec, now->tv_usec = time.tv_nsec / 1000;
          return status;
        }
        time_t time(time_t *now) {
          struct timespec time;
          clock_gettime(CLOCK_REALTIME, &time);
          if (now) *now = time.tv_sec;
          return time.tv_sec;
        }
        """

    /// Compiles the clock library; nil without a compiler or LD_PRELOAD.
    private static func makeWrongClock(in folder: String) -> String? {
        #if os(Linux)
            try? wrongClock.write(toFile: folder + "/clock.c", atomically: true, encoding: .utf8)
            let options = ["-shared", "-fPIC", "-O1", "-x", "c", "clock.c", "-o", "clock.so"]
            return (try? ChildProcess.run("clang", options, in: folder))?.status == 0 ? folder + "/clock.so" : nil
        #else
            return nil
        #endif
    }

    private static let canPreload = [ScratchFolder()].contains { makeWrongClock(in: $0.path) != nil }

    @Test(
        "a system clock that jumps by years between and during commands changes no result",
        .enabled(if: canPreload, "needs clang and LD_PRELOAD"))
    func clock() throws {
        let place = try Workplace(clips: 12)
        let library = try #require(Self.makeWrongClock(in: place.path))
        try place.add("clips/train/run's/broken.y4m", "YUV4MPEG2 nonsense")
        func run(_ years: Int, _ arguments: String...) throws -> ChildProcess.Output {
            try place.run(
                arguments, environment: ["LD_PRELOAD": library, "CLOCK_YEARS": "\(years)", "ZOETROPE_TUNING": "off"])
        }
        let first = try run(-10, "extract", "p.yaml")
        #expect(first.status == 3, "\(first.error)")
        #expect(try place.query("SELECT substr(at, 1, 3) FROM failure") == ["201"])
        // The failure's time is in another decade than the file's, in either direction.
        let again = try run(10, "extract", "p.yaml", "--retry-failed")
        #expect(again.status == 3 && again.out.contains("12 skipped"), "\(again.error)")
        try place.add("clips/train/run's/broken.y4m", TinyClip.numbered(99))
        #expect(try run(-1, "extract", "p.yaml", "--retry-failed").status == 0)
        let trained = try run(-10, "sequence", "p.yaml")
        #expect(trained.status == 0, "\(trained.error)")
        #expect(try run(-20, "evaluate", "runs/tiny").status == 0)
        #expect(try place.run("cache", "verify").status == 0)
        let seconds: [Double] = try place.query("SELECT max(seconds) FROM epoch")
        #expect(seconds[0] >= 0 && seconds[0] < 60)
    }

    @Test("an extraction of many videos leaks neither memory nor file descriptors")
    func soak() throws {
        let place = try Workplace(clips: 0)
        // Encoded videos in `make faults`; tiny raw ones, which are quick to write, in `make test`.
        let clips = faultRounds > 10 ? 5000 : 600
        if faultRounds > 10 {
            try Self.makeVideos(clips, in: place.path)
        } else {
            for index in 0..<clips { try place.add("many/run/\(index).y4m", TinyClip.numbered(index)) }
        }
        let program = try Program.start(
            ["extract", "p.yaml", "--set", "dataset.root=many", "--set", "extract.image_size=32"], in: place.path)
        var samples: [(memory: Int, files: Int)] = []
        while program.process.isRunning {
            if let sample = Self.sample(program.process.processIdentifier) { samples.append(sample) }
            usleep(50_000)
        }
        let ended = program.wait()
        #expect(ended.status == 0, "\(ended.error)")
        #expect(try place.query("SELECT count(*) FROM sequence") == [clips])
        // The first half includes the start-up: reading and hashing, plans, the first clips.
        let (early, late) = (samples.prefix(samples.count / 2), samples.dropLast(2).suffix(samples.count / 4))
        let memory = (early.map(\.memory).max() ?? 0, late.map(\.memory).max() ?? .max)
        let files = (early.map(\.files).max() ?? 0, late.map(\.files).max() ?? .max)
        #expect(memory.1 < memory.0 + memory.0 / 20 + (8 << 10), "KB: \(memory)")
        #expect(files.1 <= files.0 + 2, "\(files)")
        if faultRounds > 10 { print("soak: \(clips) clips, \(memory) KB, \(files) files") }
    }

    /// Some encoded videos, and copies that differ by an empty box at the end.
    private static func makeVideos(_ count: Int, in folder: String) throws {
        _ = try DemoDataset.write(to: folder + "/drawn", trainClips: 4, testClips: 0, workers: 2)
        let drawn = try FileManager.default.subpathsOfDirectory(atPath: folder + "/drawn").filter {
            $0.hasSuffix(".mp4")
        }
        try FileManager.default.createDirectory(atPath: folder + "/many/run", withIntermediateDirectories: true)
        for index in 0..<count {
            var video = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/drawn/\(drawn[index % drawn.count])"))
            video.append(contentsOf: [0, 0, 0, 16] + Array("free".utf8))
            withUnsafeBytes(of: UInt64(index)) { video.append(contentsOf: $0) }
            try video.write(to: URL(fileURLWithPath: "\(folder)/many/run/\(index).mp4"))
        }
    }

    /// Resident kilobytes, and open file descriptors.
    private static func sample(_ process: pid_t) -> (memory: Int, files: Int)? {
        guard let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
            let memory = line.split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) }),
            let files = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd")
        else { return nil }
        return (memory, files.count)
    }
}
