import Foundation

/// Where the program keeps what it would otherwise find out again.
public enum UserCache {
    /// `zoetrope` in `XDG_CACHE_HOME`, or in `~/.cache`; need not exist.
    public static var folder: String {
        let given = ProcessInfo.processInfo.environment["XDG_CACHE_HOME"] ?? ""
        return (given.hasPrefix("/") ? given : NSHomeDirectory() + "/.cache") + "/zoetrope"
    }
}
