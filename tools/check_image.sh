#!/bin/sh
# Checks docker-compose.yml with the real `docker compose`, and builds the Dockerfile, without a container engine:
# buildah builds in a chroot, on a Debian that debootstrap makes and that stands in for the Dockerfile's base image (so
# the base image itself is not what is checked). Then what is in the image runs as an engine would run it: without rights,
# on a read-only root. It must answer its health check, judge what is pushed and dropped, and stop in time.
# Needs root, because debootstrap and the chroot do. Everything is kept under .cache/image.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .cache/image
work=$PWD/.cache/image
release=bookworm

say() { echo "check-image: $*" >&2; }

need() { # the missing of these programs are installed, or named
  missing=
  for pair in "$@"; do command -v "${pair%%=*}" >/dev/null || missing="$missing ${pair#*=}"; done
  [ -z "$missing" ] && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get install -y -qq --no-install-recommends $missing >/dev/null && return
  fi
  say "install first: apt install$missing"
  exit 1
}

mirror() { # where this machine gets Debian itself from
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null \
    | sed -n "s/ $release\$//p" | head -n 1
}

compose() { # `docker compose`, or that of a newer Debian as a plugin that only this script sees
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; return; fi
  DOCKER_CONFIG=$work/docker docker compose "$@"
}

fetch_compose() {
  docker compose version >/dev/null 2>&1 && return
  plugin=$work/docker/cli-plugins/docker-compose
  [ -x "$plugin" ] && return
  apt=$work/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/new" "$(dirname "$plugin")"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) trixie main" >"$apt/sources.list"
  options="-o Dir::Etc::SourceList=$apt/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$apt/lists
    -o Dir::Cache=$apt/cache -o APT::Sandbox::User=root"
  apt-get $options update -qq
  (cd "$apt/new" && rm -f ./*.deb && apt-get $options download -qq docker-compose)
  dpkg -x "$apt"/new/docker-compose_*.deb "$apt/new"
  cp "$(find "$apt/new" -type f -name docker-compose -perm -100 | head -n 1)" "$plugin"
}

# -- docker-compose.yml

need docker=docker-cli dpkg=dpkg
fetch_compose
for profile in "" demo; do
  COMPOSE_PROFILES=$profile compose -f docker-compose.yml config -q
done
say "docker-compose.yml: $(compose version --short) reads it, with and without the demo"

# -- Dockerfile

[ "$(id -u)" = 0 ] || { say "run it as root to build the Dockerfile"; exit 1; }
need buildah=buildah debootstrap=debootstrap unshare=util-linux ip=iproute2
b="buildah --root $work/storage --runroot $work/run --storage-driver vfs"
base=$(sed -n 's/^FROM \([^ ]*\)$/\1/p' Dockerfile)

if ! $b images -q "docker.io/library/$base" >/dev/null 2>&1; then
  say "making a stand-in for $base"
  rm -rf "$work/debian"
  debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
    "$release" "$work/debian" "$(mirror)" >"$work/debootstrap.log" || { tail "$work/debootstrap.log"; exit 1; }
  ln -sf /usr/bin/python3 "$work/debian/usr/local/bin/python"
  container=$($b from scratch)
  $b copy -q "$container" "$work/debian" / >/dev/null
  $b commit -q --rm "$container" "docker.io/library/$base" >/dev/null
  rm -rf "$work/debian"
fi

# this machine's certificates, proxies and settings of pip hold in the build as well
set -- --volume /etc/ssl/certs:/etc/ssl/certs:ro
for name in $(env | sed -n 's/^\(PIP_[A-Z_]*\|[A-Z]*_PROXY\|[a-z]*_proxy\)=.*/\1/p'); do set -- "$@" --env "$name"; done
# the docker format, because the other one has no health check
$b build --isolation chroot --pull-never --quiet --format docker "$@" --tag vedette:check . >/dev/null
$b rmi --prune >/dev/null # the image of the time before, which has lost its name
say "Dockerfile: built, $($b images --format '{{.Size}}' vedette:check)"

# -- what is in it

container=$($b from --pull-never vedette:check)
trap '$b rm "$container" >/dev/null' EXIT
config() { $b inspect --format "{{range $1}}{{.}} {{end}}" "$container"; }
command="$(config .OCIv1.Config.Entrypoint) $(config .OCIv1.Config.Cmd)"
health=$(config '(slice .Docker.Config.Healthcheck.Test 1)')
user=$($b inspect --format '{{.OCIv1.Config.User}}' "$container")
as_said="setpriv --reuid ${user%:*} --regid ${user#*:} --clear-groups --bounding-set=-all --no-new-privs
  env -i --chdir $($b inspect --format '{{.OCIv1.Config.WorkingDir}}' "$container") $(config .OCIv1.Config.Env)"
root=$($b mount "$container")
volume=$work/volume
rm -rf "$volume"
cp -a "$root/var/lib/vedette" "$volume"

# its command is process 1, in a network of its own, so that the port is free whatever runs here
unshare --net --mount --pid --fork sh -eu -c '
  root=$1 volume=$2
  shift 2
  ip link set lo up
  mount --bind "$root" "$root"
  mount --bind "$volume" "$root/var/lib/vedette"
  mount -t tmpfs tmpfs "$root/tmp"
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount -o remount,bind,ro "$root"
  exec chroot "$root" "$@"
' - "$root" "$volume" $as_said $command &
engine=$!
server=$(timeout 5 sh -c "until grep -o '[0-9]*' /proc/$engine/task/$engine/children; do sleep 0.1; done")
trap 'kill -KILL $server 2>/dev/null || true; wait; $b rm "$container" >/dev/null' EXIT

inside() { nsenter --target "$server" --net --mount --pid --root $as_said "$@"; }
eventually() { # within 20 seconds
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 20 ] || { say "in vain: $*"; exit 1; }
    sleep 1
  done
}

eventually inside $health
if inside touch /opt/vedette/written 2>/dev/null; then say "the root is not read-only"; exit 1; fi
inside vedette demo --traffic-only --seconds 3
echo '{"model": "dropped", "input": "hello", "output": [0.5, 0.5]}' >"$volume/drop/.query"
chown "$user" "$volume/drop/.query"
mv "$volume/drop/.query" "$volume/drop/query.ndjson"
eventually inside test -e drop/done/query.ndjson
inside python -c '
from urllib.request import urlopen
metrics = dict(line.rsplit(" ", 1) for line in urlopen("http://127.0.0.1:10833/metrics").read().decode().splitlines())
accepted = {source: float(metrics[f"vedette_queries_accepted_total{{source=\"{source}\"}}"]) for source in ("push", "drop")}
assert accepted["push"] >= 60 and accepted["drop"] == 1, accepted
'
kill -TERM "$server"
timeout "$(sed -n 's/.*stop_grace_period: //p' docker-compose.yml)" tail --pid="$engine" -f /dev/null
wait $engine
say "the image is healthy without rights on a read-only root, judges what is pushed and dropped, and stops in time"
