#!/usr/bin/env bash
# Generates all images of the README and the guides, and prints the outputs that they quote: `make pictures`.
# Requires ffmpeg and Chromium. Last digits of results differ between processor types.
set -euo pipefail
zoetrope=$1 work=$2 docs=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$work"
cd "$work"
export ZOETROPE_TUNING=off
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || { echo "Chromium is needed." >&2; exit 1; }
say() { printf '\n### %s\n' "$1"; }
palette='split[a][b];[a]palettegen=reserve_transparent=0[p];[b][p]paletteuse=dither=none'

say 'README.md: zoetrope demo'
"$zoetrope" demo demo 2>/dev/null | sed -n '/^Test accuracy/,/^Averaging/p'

# Contact sheet of the demo: eight actions, five frames each.
strips=() filters='' layout='' n=0
for action in grow shrink brighten darken multiply thin-out warm-to-cool cool-to-warm; do
  clip=demo/clips/test/$action/$action-00.mp4
  strips+=(-i "$clip")
  filters+="[$n:v]select='eq(mod(n,10),5)',scale=96:72,tile=5x1:nb_frames=5:padding=2:color=0x15141a,trim=end_frame=1,"
  filters+="pad=502:96:12:24:color=0x15141a,drawtext=text=$action:x=12:y=17-max_glyph_a:fontsize=13:fontcolor=0xdddddd[s$n];"
  layout+="$((n % 2 * 502))_$((n / 2 * 96))|"
  n=$((n + 1))
done
inputs=$(for i in $(seq 0 $((n - 1))); do printf '[s%d]' "$i"; done)
ffmpeg -v error -y "${strips[@]}" -filter_complex \
  "$filters${inputs}xstack=inputs=$n:layout=${layout%|}:fill=0x15141a[all];[all]$palette" -frames:v 1 "$docs/demo.png"

# Screenshot of the averaging head's report: the sections on training and errors.
sed 's|</head>|<style>section:not(#training):not(#mistakes),details,footer,#training figure:nth-of-type(n+3){display:none!important}</style></head>|' \
  demo/runs/demo-average/report.html > report.html
"$chromium" --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 --window-size=1200,1310 \
  --screenshot=report.png "file://$PWD/report.html" >/dev/null 2>&1
ffmpeg -v error -y -i report.png -vf "$palette" -frames:v 1 "$docs/report.png"

# Predictions of the recurrent head for three concatenated, denoised clips.
for action in grow multiply thin-out; do echo "file 'demo/clips/test/$action/$action-01.mp4'"; done > clips.txt
ffmpeg -v error -y -f concat -safe 0 -i clips.txt -vf hqdn3d=8 -c:v libx264 -crf 12 -pix_fmt yuv420p three.mp4
say 'docs/looking.md: zoetrope predict demo/runs/demo-gru three.mp4 --windows'
"$zoetrope" predict demo/runs/demo-gru three.mp4 --windows --rolling 5 --strip strip.png --gif three.gif 2>/dev/null
ffmpeg -v error -y -i three.gif -vf "fps=5,scale=160:-1,$palette" "$docs/predictions.gif"
ffmpeg -v error -y -i strip.png -vf "$palette" -frames:v 1 "$docs/strip.png"

"$zoetrope" cam demo/runs/demo-gru demo/clips/test/multiply/multiply-03.mp4 --output cam >/dev/null 2>&1
ffmpeg -v error -y -i "$(ls cam/*.png | head -1)" -vf "scale=820:-1:flags=area,$palette" -frames:v 1 "$docs/cam.png"

say 'docs/cache.md: its queries, in order'
awk '/^```sql/ { on = 1; next } /^```/ { if (on) print ";"; on = 0 } on' "$docs/cache.md" | sqlite3 -box demo/features.sqlite

say 'docs/heads.md: zoetrope sweep demo/heads.yaml'
"$zoetrope" sweep demo/heads.yaml --cache demo/features.sqlite --runs demo/runs 2>/dev/null
say 'docs/heads.md: zoetrope learning-curve demo/gru.yaml'
"$zoetrope" learning-curve demo/gru.yaml --cache demo/features.sqlite --folds 3 2>/dev/null
say 'docs/fine-tuning.md: zoetrope finetune demo/small-cnn.yaml'
"$zoetrope" finetune demo/small-cnn.yaml --cache demo/features.sqlite --runs demo/runs --frames frames.sqlite 2>&1 | grep -E '^(epoch 1/|  |Run|Network|demo)'
