#!/usr/bin/env bash
# Tests that an incremental build recompiles all modules that depend on the layout of a type, also those that do not
# import its module. Builds three modules with the rule at the end of Package.swift, adds a private property to a struct
# of the first one, builds again, and compares the outputs of the program.
set -euo pipefail
rule=$(sed -n '/^let direct = /,/^}/p' "$(dirname "$0")/../Package.swift")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p Sources/{Lower,Middle,Upper,program}

{
  echo '// swift-tools-version: 6.0'
  echo 'import PackageDescription'
  echo 'let package = Package(name: "stale", targets: [.target(name: "Lower"),'
  echo '  .target(name: "Middle", dependencies: ["Lower"]), .target(name: "Upper", dependencies: ["Middle"]),'
  echo '  .executableTarget(name: "program", dependencies: ["Upper"])])'
  echo "$rule"
} > Package.swift
cat > Sources/Lower/Lower.swift <<'EOF'
package struct Lower {
    package var value = 1
    package init() {}
}
EOF
cat > Sources/Middle/Middle.swift <<'EOF'
import Lower
package struct Middle {
    package var lower: Lower
    package var value = 2
}
package func middle() -> Middle { Middle(lower: Lower()) }
EOF
cat > Sources/Upper/Upper.swift <<'EOF'
import Middle
package func values() -> [Int] { [middle(), middle()].map(\.value) }
EOF
cat > Sources/program/main.swift <<'EOF'
import Upper
print(values())
EOF

swift build --quiet
before=$(.build/debug/program)
# Modification times of files may have a resolution of one second.
sleep 1
sed -i.old 's/package var value = 1/private var hidden = (7, 7)\n    package var value = 1/' Sources/Lower/Lower.swift
rm -f Sources/Lower/Lower.swift.old
swift build --quiet
after=$(.build/debug/program)
[ "$before" = "[2, 2]" ] && [ "$after" = "$before" ] || {
  echo "a changed layout does not reach all modules: the program printed $before, then $after" >&2
  exit 1
}
