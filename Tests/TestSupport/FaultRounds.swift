import Datasets
import Foundation

/// How often each fault is tried: 2 times, or as `ZOETROPE_FAULTS` says (`make faults`: 50).
package let faultRounds = ProcessInfo.processInfo.environment["ZOETROPE_FAULTS"].flatMap { Int($0) } ?? 2

/// What faults are chosen by: 1, or as `ZOETROPE_SEED` says.
package let faultSeed = ProcessInfo.processInfo.environment["ZOETROPE_SEED"].flatMap { UInt64($0) } ?? 1

package typealias SeededGenerator = SplitMix64
