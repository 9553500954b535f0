package scoring

func init() {
	register(Declaration{
		Order: 150, Probe: Statements, Source: "Li et al., Inference-Time Intervention, arXiv 2306.03341, section 3.1",
		Label:    "accuracy of a linear probe",
		Measures: "how well a linear probe on a head's output at the last token tells true statements from false ones, cross-validated",
		New:      func() Named { return new(Truth) },
	})
}

// Truth is the cross-validated accuracy of a logistic regression on a head's
// output at a statement's last token, before the output projection: 1 where the
// probe that was fitted without the statement's fold tells its label, else 0.
type Truth struct {
	Folds int     `param:"truth-folds" default:"5" min:"2" max:"1000" unit:"folds" help:"parts of the statements; a probe is fitted on all but one and tested on that one"`
	L2    float64 `param:"truth-l2" default:"1" above:"0" help:"half of its product with the weights' squared norm is added to the loss (1 divided by scikit-learn's C)"`
}

// Name implements Named.
func (Truth) Name() string { return "truth" }
