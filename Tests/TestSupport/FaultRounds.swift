import Foundation

/// How often each fault is tried: 2 times, or as `ZOETROPE_FAULTS` says (`make faults`: 50).
public let faultRounds = ProcessInfo.processInfo.environment["ZOETROPE_FAULTS"].flatMap { Int($0) } ?? 2
