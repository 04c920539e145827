#!/usr/bin/env bash
# Whether a program is built again completely if the layout of a type changes in a module that it does not import:
# builds three modules by the rule at the end of Package.swift, adds a private property to a struct of the first one,
# builds again, and compares what the program prints.
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
# Times of files may have a resolution of one second.
sleep 1
sed -i.old 's/package var value = 1/private var hidden = (7, 7)\n    package var value = 1/' Sources/Lower/Lower.swift
rm -f Sources/Lower/Lower.swift.old
swift build --quiet
after=$(.build/debug/program)
[ "$before" = "[2, 2]" ] && [ "$after" = "$before" ] || {
  echo "a changed layout does not reach all modules: the program printed $before, then $after" >&2
  exit 1
}
