import FeatureCache
import Foundation
import TestSupport
import Testing
import Yams
@testable import Extraction

@Suite(.serialized) struct ClusterTests {
    private static let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// The content that two caches must share: everything but row numbers and times of day.
    static let content = """
        SELECT extraction.digest || video.digest || video.path || view || length || mask || frame_indices || frame_times
          || decode_errors || checksum || hex(features) || dataset || label || split
        FROM sequence JOIN extraction ON extraction.id = extraction_id JOIN video ON video.id = sequence.video_id
          JOIN sample ON sample.video_id = video.id ORDER BY 1
        """

    @Test(
        "a Slurm array of four shards, one killed and requeued, merges to the same cache as a single extraction",
        .enabled(if: SlurmCluster.obstacle == nil, Comment(rawValue: SlurmCluster.obstacle ?? "")),
        .timeLimit(.minutes(5)))
    func slurm() throws {
        let place = try Workplace(clips: 48)
        let slow = Workplace.pipeline.replacingOccurrences(of: "image_size: 32", with: "image_size: 160")
        try place.add("slow.yaml", slow)
        let cluster = try SlurmCluster()
        let settings = ["ZOETROPE": Program.path, "ZOETROPE_TUNING": "off", "CPUS": "1"]
        let submitted = try ChildProcess.run(
            Self.project + "/pipelines/cluster/slurm.sh", ["slow.yaml", "4"], in: place.path,
            environment: cluster.environment.merging(settings) { $1 })
        #expect(submitted.status == 0, "\(submitted.out)\(submitted.error)")

        // Kills the program of one task after it has stored something.
        let victim = "features.shard-2-of-4.sqlite"
        try cluster.wait { ((try? place.query("SELECT count(*) FROM sequence", cache: victim)) ?? [0])[0] > 0 }
        let owner = try #require(Self.process(with: "SLURM_ARRAY_TASK_ID=2", in: place.path))
        kill(owner, SIGKILL)
        try cluster.wait(seconds: 200) { try cluster.run("squeue", "-h").isEmpty }

        func log(_ name: String) -> String {
            (try? String(contentsOfFile: "\(place.path)/\(name).log", encoding: .utf8)) ?? ""
        }
        #expect(log("zoetrope-merge").contains("Merged 48 sequences"), "\(log("zoetrope-merge"))")
        #expect(log("zoetrope-extract-2").contains("Killed"))
        #expect(log("zoetrope-extract-2").contains("Extracted"))
        try place.run("extract", "slow.yaml", "--cache", "single.sqlite", status: 0)
        let (one, four): ([String], [String]) = (
            try place.query(Self.content, cache: "single.sqlite"), try place.query(Self.content)
        )
        #expect(one.count == 48 && one == four)
        #expect(try place.run("cache", "verify", "features.sqlite").status == 0)
    }

    /// The process with this text in its environment and this working folder.
    private static func process(with variable: String, in folder: String) -> pid_t? {
        let ids = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { pid_t($0) } ?? []
        return ids.first { id in
            guard let environment = FileManager.default.contents(atPath: "/proc/\(id)/environ"),
                environment.range(of: Data((variable + "\0").utf8)) != nil,
                let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/exe"),
                let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/cwd")
            else { return false }
            return program.hasSuffix("/zoetrope")
                && URL(fileURLWithPath: own).resolvingSymlinksInPath()
                    == URL(fileURLWithPath: folder).resolvingSymlinksInPath()
        }
    }

    @Test("the Kubernetes manifest assigns each pod a shard and merges all shards") func kubernetes() throws {
        let text = try String(contentsOfFile: Self.project + "/pipelines/cluster/kubernetes.yaml", encoding: .utf8)
        let documents = try Yams.load_all(yaml: text).compactMap { $0 as? [String: Any] }
        #expect(documents.map { $0["kind"] as? String } == ["Job", "Job"])
        let job = try #require(documents[0]["spec"] as? [String: Any])
        #expect(job["completionMode"] as? String == "Indexed")
        let count = try #require(job["completions"] as? Int)
        func container(_ job: [String: Any]) throws -> [String: Any] {
            let template = try #require(job["template"] as? [String: Any])
            let pod = try #require(template["spec"] as? [String: Any])
            return try #require((pod["containers"] as? [[String: Any]])?.first)
        }
        let first = try container(job)
        var environment = ["JOB_COMPLETION_INDEX": "\(count - 1)"]
        for variable in try #require(first["env"] as? [[String: Any]]) {
            environment[variable["name"] as? String ?? ""] = variable["value"] as? String
        }
        #expect(try Shard("auto", environment: environment) == Shard(number: count, count: count))
        let commands = try [first, container(#require(documents[1]["spec"] as? [String: Any]))].map {
            ($0["args"] as? [String] ?? []).joined(separator: " ")
        }
        #expect(commands[0].contains("--shard auto") && commands[1].contains("cache merge"))
    }

    @Test("`extract --shard` writes one cache per shard, and `cache merge` merges them") func shards() throws {
        let place = try Workplace()
        #expect(try place.run("dataset", "p.yaml", "--digests", "digests").status == 0)
        for shard in ["1/2", "2/2"] {
            try place.run(
                "extract", "p.yaml", "--shard", shard, "--digests", "digests", status: 0,
                out: "Cache: features.shard-\(shard.first!)-of-2.sqlite")
        }
        let merge = [
            "cache", "merge", "features.sqlite", "features.shard-1-of-2.sqlite", "features.shard-2-of-2.sqlite",
        ]
        try place.run(merge, status: 0, out: "Merged 8 sequences; 0 existed already")
        #expect(try place.run(merge).out.contains("Merged 0 sequences; 8 existed already"))
        #expect(try place.run("extract", "p.yaml", "--cache", "single.sqlite").status == 0)
        let (one, two): ([String], [String]) = (
            try place.query(Self.content, cache: "single.sqlite"), try place.query(Self.content)
        )
        #expect(one.count == 8 && one == two)
        #expect(try place.run("extract", "p.yaml", "--shard", "3/2").status == 64)
        #expect(try place.run("extract", "p.yaml", "--shard", "auto").error.contains("found no Slurm array"))
    }
}
