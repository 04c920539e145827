import Files
import Foundation

/// One of several equal parts of a data set, for machines that share the work. A clip's shard depends only on its
/// content, so that it does not change with paths or other clips.
package struct Shard: Sendable, Equatable {
    /// From 1 to `count`.
    package let number: Int
    package let count: Int

    /// - Throws: `ShardError.outOfRange`.
    package init(number: Int, count: Int) throws {
        guard count >= 1, (1...count).contains(number) else {
            throw ShardError.outOfRange(number: number, count: count)
        }
        (self.number, self.count) = (number, count)
    }

    /// `2/8`, or `auto` for the variables of a Slurm array, an indexed Kubernetes job or an AWS Batch array job.
    /// Kubernetes does not tell a task the number of tasks: `ZOETROPE_SHARDS` must. Throws `ShardError`.
    package init(_ text: String, environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        if text == "auto" {
            self = try Self.scheduled(environment)
            return
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let number = parts[0], let count = parts[1] else { throw ShardError.malformed(text) }
        try self.init(number: number, count: count)
    }

    private static func scheduled(_ environment: [String: String]) throws -> Shard {
        func number(_ name: String) throws -> Int? {
            guard let text = environment[name], !text.isEmpty else { return nil }
            guard let value = Int(text) else { throw ShardError.notNumber(variable: name, text: text) }
            return value
        }
        func required(_ name: String) throws -> Int {
            guard let value = try number(name) else { throw ShardError.missing(variable: name) }
            return value
        }
        let stated = try number("ZOETROPE_SHARDS")
        if let task = try number("SLURM_ARRAY_TASK_ID") {
            let (first, last) = (try required("SLURM_ARRAY_TASK_MIN"), try required("SLURM_ARRAY_TASK_MAX"))
            let (count, step) = (try required("SLURM_ARRAY_TASK_COUNT"), try number("SLURM_ARRAY_TASK_STEP") ?? 1)
            // A partly resubmitted array must not be mistaken for a complete one.
            guard step > 0, (last - first) / step + 1 == count, stated == nil || stated == count else {
                throw ShardError.holes(tasks: count)
            }
            return try Shard(number: (task - first) / step + 1, count: count)
        }
        if let index = try number("AWS_BATCH_JOB_ARRAY_INDEX") {
            return try Shard(
                number: index + 1, count: try number("AWS_BATCH_JOB_ARRAY_SIZE") ?? required("ZOETROPE_SHARDS"))
        }
        if let index = try number("JOB_COMPLETION_INDEX") {
            return try Shard(number: index + 1, count: try required("ZOETROPE_SHARDS"))
        }
        throw ShardError.noScheduler
    }

    /// - Parameter digest: SHA-256, hex.
    package func contains(digest: String) -> Bool {
        UInt64(digest.prefix(16), radix: 16).map { Int($0 % UInt64(count)) == number - 1 } ?? false
    }

    /// The shard's cache: `features.shard-2-of-8.sqlite` for `features.sqlite`.
    package func cachePath(_ path: String) -> String {
        let ending = path.fileExtension
        let stem = ending.isEmpty ? path : String(path.dropLast(ending.count + 1))
        let digits = String(count).count
        let padded = String(repeating: "0", count: max(0, digits - String(number).count)) + "\(number)"
        return "\(stem).shard-\(padded)-of-\(count)" + (ending.isEmpty ? "" : ".\(ending)")
    }
}

package enum ShardError: LocalizedError, Equatable {
    case malformed(String)
    case outOfRange(number: Int, count: Int)
    case missing(variable: String)
    case notNumber(variable: String, text: String)
    case holes(tasks: Int)
    case noScheduler

    package var errorDescription: String? {
        switch self {
        case .malformed(let text): "Write --shard as K/N, such as 2/8, or auto; not '\(text)'."
        case .outOfRange(let number, let count):
            "There is no shard \(number) of \(count); they are numbered from 1. Give --shard K/N with a K from 1 to N."
        case .missing(let variable):
            "--shard auto needs the environment variable \(variable), which is not set. Give --shard K/N."
        case .notNumber(let variable, let text):
            "The environment variable \(variable) is '\(text)', not a number. Give --shard K/N."
        case .holes(let tasks):
            "This Slurm array has \(tasks) tasks with gaps between their numbers, or ZOETROPE_SHARDS differs from "
                + "their number, so the shard is ambiguous. Give --shard K/N with the N of the first submission."
        case .noScheduler:
            "--shard auto found no Slurm array, no indexed job of Kubernetes and no array job of AWS Batch. "
                + "Give --shard K/N."
        }
    }
}
