#!/bin/sh
# Finds the modules of generated graphs of 50,000, 100,000 and 200,000 nodes, transformer layers of 25.
#
# Run by `make bench`, which sets FP8C. Prints the seconds that `select-modules` takes, the least of five
# runs; the goal is under one second for 100,000 nodes, and twice the time for twice the nodes.
set -eu
cd "$(dirname "$0")/../.."
fp8c=${FP8C:-.build/release/fp8c}
folder=Tests/Benchmarks/models
mkdir -p "$folder"

# A layer: four projections, attention, a gated MLP; all share one matrix.
graph() {
  awk -v layers="$1" 'BEGIN {
    print "graph @main(%x: f32[1, 4, 8], %mask: f32[1, 4, 4]) -> (%y) {"
    print "  weight @w: f32[8, 8] stored raw 0+256"
    print "  weight @b: f32[8] stored raw 256+32"
    print "  weight @s: f32[] = [2.0]"
    f = " : f32[1, 4, 8]"; q = " : f32[1, 4, 4]"; c = "x"
    for (i = 0; i < layers; i++) {
      p = "n" i "."
      n = " name \"/layers." i "/self_attn/"
      split("q k v", names, " ")
      for (j = 1; j <= 3; j++) {
        t = names[j]
        print "  %" p t "0 = MatMul(%" c ", @w)" f n t "_proj/MatMul\""
        print "  %" p t " = Add(%" p t "0, @b)" f n t "_proj/Add\""
      }
      print "  %" p "t = Transpose(%" p "k) {perm = [0, 2, 1]} : f32[1, 8, 4]" n "Transpose\""
      print "  %" p "r = MatMul(%" p "q, %" p "t)" q n "MatMul\""
      print "  %" p "d = Div(%" p "r, @s)" q n "Div\""
      print "  %" p "m = Add(%" p "d, %mask)" q n "Add\""
      print "  %" p "p = Softmax(%" p "m) {axis = -1}" q n "Softmax\""
      print "  %" p "a = MatMul(%" p "p, %" p "v)" f n "MatMul_1\""
      print "  %" p "o0 = MatMul(%" p "a, @w)" f n "o_proj/MatMul\""
      print "  %" p "o = Add(%" p "o0, @b)" f n "o_proj/Add\""
      print "  %" p "h = Add(%" c ", %" p "o)" f
      n = " name \"/layers." i "/mlp/"
      print "  %" p "g0 = MatMul(%" p "h, @w)" f n "gate/MatMul\""
      print "  %" p "g1 = Add(%" p "g0, @b)" f n "gate/Add\""
      print "  %" p "g = Relu(%" p "g1)" f
      print "  %" p "u0 = MatMul(%" p "h, @w)" f n "up/MatMul\""
      print "  %" p "u = Sigmoid(%" p "u0)" f
      print "  %" p "z = Mul(%" p "g, %" p "u)" f
      print "  %" p "w0 = MatMul(%" p "z, @w)" f n "down/MatMul\""
      print "  %" p "w1 = Add(%" p "w0, @b)" f n "down/Add\""
      print "  %" p "y = Add(%" p "h, %" p "w1)" f
      print "  %" p "c = Identity(%" p "y)" f
      c = p "c"
    }
    print "  %y = Identity(%" c ")" f
    print "}"
  }'
}

for layers in 2000 4000 8000; do
  file=$folder/selection-$layers.ir
  graph $layers >"$file"
  run=0
  while [ $run -lt 5 ]; do
    "$fp8c" opt "$file" --passes select-modules --timing -o "$folder/selection.out" 2>&1 |
      sed -n 's/^select-modules: \([0-9.e-]*\) seconds$/\1/p'
    run=$((run + 1))
  done | sort -g | head -n 1 | sed "s/^/select-modules, $((layers * 25)) nodes: /; s/\$/ s/"
  rm -f "$file" "$folder/selection.out"
done
