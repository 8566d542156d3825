# Numbered lines, some 20 KB a second.
n=0
while :; do
    i=0
    while [ $i -lt 200 ]; do
        n=$((n + 1)); i=$((i + 1))
        echo "line $n of a program that has a lot to say: the quick brown fox jumps over the lazy dog"
    done
    sleep 1
done
