// Command asm writes the amd64 kernels of package cpu to the folder named by
// its argument:
//
//	go generate ./runner/cpu
//
// Every kernel is written once for two instruction sets, AVX-512 with 16
// lanes and AVX2 with 8. The operations on each element, and their order, are
// those of the Go twins in runner/cpu/portable.go.
package main

import (
	"bytes"
	"fmt"
	"log"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"headprof/runner/cpu/internal/generate/purpose"
)

// isa is one instruction set.
type isa struct {
	name  string
	lanes int // float32 per vector
	rows  int // rows of a full product block
}

var (
	avx512 = isa{"AVX512", 16, 12}
	avx2   = isa{"AVX2", 8, 6}
)

func (s isa) wide() bool { return s.lanes == 16 }

// vec gives a new vector register.
func (s isa) vec() reg.VecVirtual {
	if s.wide() {
		return ZMM()
	}
	return YMM()
}

// vecs gives n new vector registers.
func (s isa) vecs(n int) []reg.VecVirtual {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = s.vec()
	}
	return v
}

// per16 is the number of vectors that 16 floats fill.
func (s isa) per16() int { return 16 / s.lanes }

func (s isa) bytes() int { return 4 * s.lanes }

var constants = map[string]operand.Mem{}

// word gives a 32-bit constant in memory.
func word(bits uint32) operand.Mem {
	name := fmt.Sprintf("w%08x", bits)
	if m, ok := constants[name]; ok {
		return m
	}
	constants[name] = ConstData(name, operand.U32(bits))
	return constants[name]
}

// float gives a register with f in every lane.
func (s isa) float(f float32) reg.VecVirtual { return s.bits(math.Float32bits(f)) }

// bits gives a register with a 32-bit pattern in every lane.
func (s isa) bits(b uint32) reg.VecVirtual {
	v := s.vec()
	VBROADCASTSS(word(b), v)
	return v
}

func mem(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

func indexed(base, index reg.Register, scale uint8, disp int) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: scale, Disp: disp}
}

func main() {
	if len(os.Args) == 2 {
		if err := write(os.Args[1]); err != nil {
			log.Fatal(err)
		}
		return
	}
	ConstraintExpr("amd64")
	for _, s := range []isa{avx512, avx2} {
		for rows := 1; rows <= s.rows; rows++ {
			product(s, rows)
		}
		softmax(s)
		exp2Row(s)
		gate(s)
		squares(s)
		scaled(s)
		toHalf(s)
		fromHalf(s)
		storeKeys(s)
		unpackers(s)
	}
	dots(avx512)
	int8Kernels()
	prefetch()
	peak(avx512)
	peak(avx2)
	Generate()
}

// write runs this program once more as avo wants it, which writes and exits,
// and comments what it wrote.
func write(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	code, stubs := filepath.Join(dir, "kernels_amd64.s"), filepath.Join(dir, "stubs_amd64.go")
	avo := exec.Command(self, "-out", code, "-stubs", stubs, "-pkg", "cpu")
	avo.Stderr = os.Stderr
	if err := avo.Run(); err != nil {
		return err
	}
	kernel := regexp.MustCompile(`(?m)^// func (\w+)\(`)
	for _, file := range []string{code, stubs} {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		_, rest, _ := bytes.Cut(text, []byte("\n"))
		rest = kernel.ReplaceAllFunc(rest, func(line []byte) []byte {
			return append([]byte("// "+purpose.Of(string(kernel.FindSubmatch(line)[1]))+"\n"), line...)
		})
		if err := os.WriteFile(file, append([]byte(purpose.Header("asm")), rest...), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// loop emits body as long as counter, lessened by step each time, is positive.
func loop(label string, counter reg.GPVirtual, step int, body func()) {
	Label(label)
	body()
	SUBQ(imm32(uint64(step)), counter)
	JG(operand.LabelRef(label))
}

// imm32 is a constant of additions, whatever its size.
func imm32(n uint64) operand.Op { return operand.U32(n) }
