package main

// ceiling is a figure that must stay below a limit: less is better, and the
// limit takes the place of the other side.
type ceiling struct {
	name    string
	unit    string
	against string
	limit   float64
	figure  func(plan) (float64, error)
}

// mostRatio is the ratio of a figure that is next to nothing.
const mostRatio = 1000

func (c ceiling) title() string { return c.name }

// measure takes the figure as often as the plan says.
func (c ceiling) measure(p plan) (result, error) {
	r := result{Name: c.name, Unit: c.unit, Against: c.against, Aim: 1}
	for range p.runs {
		figure, err := c.figure(p)
		if err != nil {
			return r, err
		}
		r.Runs = append(r.Runs, pairRun{figure, c.limit})
	}
	r.medians()
	r.Ratio = mostRatio
	if r.Ours*mostRatio > r.Theirs {
		r.Ratio = r.Theirs / r.Ours
	}
	return r, nil
}
