package chat

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/builtins"
	controlStructures "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// block is a {% generation %} block: transformers marks with it what the model
// itself wrote; its content is rendered as it is.
type block struct {
	at   *tokens.Token
	body *nodes.Wrapper
}

func (b *block) Position() *tokens.Token { return b.at }
func (b *block) String() string          { return "generation" }

func (b *block) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	return r.Inherit().ExecuteWrapper(b.body)
}

func generation(p, _ *parser.Parser) (nodes.ControlStructure, error) {
	at := p.Current()
	body, _, err := p.WrapUntil("endgeneration")
	return &block{at, body}, err
}

// guarded is a macro that may call itself only so deep: Go cannot recover from
// a full stack.
type guarded struct {
	*controlStructures.MacroControlStructure
	depth *int
}

func (g *guarded) Execute(r *exec.Renderer, tag *nodes.ControlStructureBlock) error {
	if err := g.MacroControlStructure.Execute(r, tag); err != nil {
		return err
	}
	v, _ := r.Environment.Context.Get(g.Name)
	call, ok := v.(exec.Macro)
	if !ok {
		return fmt.Errorf("it defines macro %q in a way that is not supported", g.Name)
	}
	r.Environment.Context.Set(g.Name, exec.Macro(func(args *exec.VarArgs) *exec.Value {
		if *g.depth >= maxNesting {
			return exec.AsValue(fmt.Errorf("its macros call each other more than %d deep", maxNesting))
		}
		*g.depth++
		defer func() { *g.depth-- }()
		return call(args)
	}))
	return nil
}

func macro(depth *int) parser.ControlStructureParser {
	plain, _ := builtins.ControlStructures.Get("macro")
	return func(p, args *parser.Parser) (nodes.ControlStructure, error) {
		s, err := plain(p, args)
		if err != nil {
			return nil, err
		}
		m, ok := s.(*controlStructures.MacroControlStructure)
		if !ok {
			return nil, fmt.Errorf("it defines a macro in a way that is not supported")
		}
		return &guarded{m, depth}, nil
	}
}
