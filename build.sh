#!/usr/bin/env bash
# Publishes the one executable to artifacts/bin/steward, with links for the names it answers to.
# Does nothing when no input changed since the last build.
#
#   STEWARD_AOT=0       publish ReadyToRun single file instead of Native AOT (also chosen when no C compiler is present)
#   STEWARD_RID=...     runtime identifier; default: the machine's own
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

die() {
    printf 'build.sh: %s\n' "$*" >&2
    exit 1
}

command -v dotnet >/dev/null 2>&1 ||
    die "the .NET SDK is missing (command 'dotnet' not found). Install .NET SDK 10: https://dotnet.microsoft.com/download/dotnet/10.0"

case "$(uname -m)" in
    x86_64) native_rid=linux-x64 ;;
    aarch64) native_rid=linux-arm64 ;;
    *) native_rid= ;;
esac
rid="${STEWARD_RID:-$native_rid}"
[ -n "$rid" ] || die "no runtime identifier is known for $(uname -m); set STEWARD_RID, for example STEWARD_RID=linux-x64"

aot="${STEWARD_AOT:-1}"
if [ "$aot" != 0 ] && ! command -v clang >/dev/null 2>&1 && ! command -v gcc >/dev/null 2>&1; then
    echo "build.sh: neither clang nor gcc is installed, which Native AOT needs to link: publishing ReadyToRun instead (slower start, more memory)" >&2
    aot=0
fi
if [ "$aot" = 0 ]; then
    mode=readytorun
    properties=(-p:StewardAot=false)
else
    mode=aot
    # The linker of the SDK defaults to clang; gcc does as well.
    if command -v clang >/dev/null 2>&1; then linker=clang; else linker=gcc; fi
    properties=(-p:StewardAot=true "-p:CppCompilerAndLinker=$linker")
fi

bin=artifacts/bin
publish="artifacts/publish/$mode"
stamp=artifacts/build.stamp
log=artifacts/build.log
mkdir -p "$bin" "$publish"

# One build at a time: two publishes would write the same obj directories.
exec 9>artifacts/build.lock
flock 9

inputs() {
    printf '%s %s\n' "$mode" "$rid"
    dotnet --version
    local roots=(src)
    [ -d web ] && roots+=(web)
    {
        find "${roots[@]}" \( -name bin -o -name obj -o -name node_modules \) -prune -o -type f -print0
        find . -maxdepth 1 -type f \( -name '*.props' -o -name '*.targets' -o -name global.json -o -name .editorconfig -o -iname nuget.config -o -name build.sh \) -print0
    } | LC_ALL=C sort -z | xargs -0 sha256sum
}
now="$(inputs | sha256sum | cut -d' ' -f1)"

if [ -x "$bin/steward" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$now" ]; then
    exit 0
fi

echo "build.sh: publishing steward ($mode, $rid) ..."
rm -f "$stamp"
if ! dotnet publish src/Steward/Steward.csproj --configuration Release --runtime "$rid" --output "$publish" \
    --nologo --verbosity quiet "-p:StewardRid=$rid" "${properties[@]}" >"$log" 2>&1; then
    cat "$log" >&2
    die "dotnet publish failed; its output stands above and in $log"
fi
[ -x "$publish/steward" ] || die "dotnet publish ended well but left no $publish/steward; see $log"

# Put in place by rename: a daemon that still runs the old file keeps it.
cp "$publish/steward" "$bin/.steward.new"
mv -f "$bin/.steward.new" "$bin/steward"
for name in supervisord supervisorctl pidproxy echo_supervisord_conf; do
    ln -sfn steward "$bin/$name"
done
printf '%s\n' "$now" >"$stamp"
echo "build.sh: $bin/steward ($(du -h "$bin/steward" | cut -f1))"
