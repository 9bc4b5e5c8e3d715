#!/usr/bin/env bash
# Runs a command beside the Docker Engine of another Debian suite, as root:
#   tests/newer_engine.sh trixie pytest tests/engine/test_launch.py
# Engine 26.1 is trixie's, 28.5 is sid's. The Engine lives in a tree of its suite and in a network of its own, so that
# it meets no other; DOCKER_HOST names it for the command. The rehearsal's layers must be there: `make rehearse` makes them.
set -euo pipefail
suite=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
home=$root/.opskit/engines/$suite
network=opskit-$suite
wire=opskit-${suite:0:6} # to this machine, and through it to what it reaches
net=10.231.$(($(cksum <<<"$suite" | cut -d' ' -f1) % 250))
mkdir -p "$home"/{tree,data,run,hooks}

if [ ! -x "$home/tree/usr/sbin/dockerd" ]; then
  echo "making a tree of $suite with its Docker Engine"
  rm -rf "$home/tree"
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v release="$release" '$1 == release { print $2; exit }')
  mmdebstrap --quiet --variant=minbase --include=docker.io,docker-cli,iptables,ca-certificates,kmod,procps,pigz \
    --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$home/tree" \
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
fi

# The daemon's own root: the tree, with the folders that both it and the command name by the same paths.
inside() {
  mount --bind "$home/tree" "$home/tree"
  cd "$home/tree"
  mount -t proc proc proc
  for folder in /sys /dev; do mount --rbind "$folder" ".$folder"; done
  for folder in tmp run; do mount -t tmpfs tmpfs "$folder"; done
  for folder in "$root" /tmp; do
    mkdir -p ".$folder" && mount --rbind "$folder" ".$folder"
  done
  mkdir -p before && pivot_root . before && umount -l /before
  export PATH="$home/hooks:/usr/sbin:/usr/bin:/sbin:/bin"
  exec dockerd --data-root="$home/data" --exec-root="$home/run/exec" --pidfile="$home/run/docker.pid" \
    --host="unix://$home/run/docker.sock" --storage-driver=overlay2 >"$home/dockerd.log" 2>&1
}

end() {
  [ ! -e "$home/run/docker.pid" ] || kill "$(cat "$home/run/docker.pid")" 2>/dev/null || true
  wait
  for rule in "${rules[@]}"; do iptables ${rule/-A/-D} 2>/dev/null || true; done
  ip netns delete "$network"
}
rules=("-t nat -A POSTROUTING -s $net.2 -j MASQUERADE" "-A FORWARD -i $wire -j ACCEPT" "-A FORWARD -o $wire -j ACCEPT")

printf '#!/bin/sh\nexit 0\n' >"$home/hooks/nvidia-container-runtime-hook" # a GPU is accepted where there is none
chmod +x "$home/hooks/nvidia-container-runtime-hook"
rm -f "$home/run/docker.pid" "$home/run/exec/containerd/containerd.pid"
ip netns list | grep -q "^$network\b" && ip netns delete "$network"
ip netns add "$network"
trap end EXIT
ip link add "$wire" type veth peer name eth0 netns "$network"
ip address add "$net.1/30" dev "$wire"
ip link set "$wire" up
nsenter --net="/run/netns/$network" sh -euc "
  ip link set lo up
  ip address add $net.2/30 dev eth0
  ip link set eth0 up
  ip route add default via $net.1"
sysctl -qw net.ipv4.ip_forward=1
for rule in "${rules[@]}"; do iptables ${rule/-A/-I}; done
export home root
export -f inside
nsenter --net="/run/netns/$network" unshare --mount bash -euc inside &
for _ in $(seq 100); do
  docker -H "unix://$home/run/docker.sock" version >/dev/null 2>&1 && break
  sleep 0.3
done
export DOCKER_HOST="unix://$home/run/docker.sock"
docker version --format 'Docker Engine {{.Server.Version}} (API {{.Server.APIVersion}})' ||
  { tail -5 "$home/dockerd.log" >&2; exit 1; }
nsenter --net="/run/netns/$network" "$@"
