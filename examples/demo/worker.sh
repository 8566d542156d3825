# One member of the worker pool: worker.sh NUMBER
trap 'echo "worker $1: finishing"; exit 0' TERM
n=0
while :; do
    n=$((n + 1))
    echo "worker $1: job $n done"
    sleep 2 &
    wait $!
done
