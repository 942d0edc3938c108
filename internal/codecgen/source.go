package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// source is what the generator knows of a package: its types, their methods, and the
// structs that need code.
type source struct {
	types   map[string]ast.Expr
	methods map[string][]string
	// rows are the structs of the registry, in its order, old versions included.
	rows []string
}

// readSource parses all files of a package but its tests and the generated one.
func readSource(dir fs.FS) (*source, error) {
	names, err := fs.Glob(dir, "*.go")
	if err != nil {
		return nil, err
	}
	s := &source{types: map[string]ast.Expr{}, methods: map[string][]string{}}
	functions := map[string]*ast.FuncType{}
	var registry *ast.CompositeLit
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || path.Base(name) == output {
			continue
		}
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				s.addFunction(d, functions)
			case *ast.GenDecl:
				registry = s.addSpecs(d, registry)
			}
		}
	}
	if registry == nil {
		return nil, errors.New("found no variable named registry that lists the rows")
	}
	return s, s.readRows(registry, functions)
}

func (s *source) addFunction(d *ast.FuncDecl, functions map[string]*ast.FuncType) {
	if d.Recv == nil {
		functions[d.Name.Name] = d.Type
		return
	}
	of := d.Recv.List[0].Type
	if star, is := of.(*ast.StarExpr); is {
		of = star.X
	}
	if name, is := of.(*ast.Ident); is {
		s.methods[name.Name] = append(s.methods[name.Name], d.Name.Name)
	}
}

// addSpecs notes the types of a declaration. It returns the registry, if it is there.
func (s *source) addSpecs(d *ast.GenDecl, registry *ast.CompositeLit) *ast.CompositeLit {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			s.types[spec.Name.Name] = spec.Type
		case *ast.ValueSpec:
			if list, is := literal(spec); is && spec.Names[0].Name == "registry" {
				registry = list
			}
		}
	}
	return registry
}

func literal(spec *ast.ValueSpec) (*ast.CompositeLit, bool) {
	if len(spec.Values) != 1 {
		return nil, false
	}
	list, is := spec.Values[0].(*ast.CompositeLit)
	return list, is
}

// readRows finds the struct of each row. It is the type argument of the row's function, or
// what the row's function literal takes a pointer to.
func (s *source) readRows(registry *ast.CompositeLit, functions map[string]*ast.FuncType) error {
	for _, element := range registry.Elts {
		call, is := element.(*ast.CallExpr)
		if !is {
			return errors.New("a row of the registry is not a call")
		}
		name, err := rowType(call, functions)
		if err != nil {
			return err
		}
		if _, is := s.types[name].(*ast.StructType); !is {
			return fmt.Errorf("the registry has a row for %s, which is no struct of this package", name)
		}
		if slices.Contains(s.rows, name) {
			return fmt.Errorf("the registry has two rows for %s", name)
		}
		s.rows = append(s.rows, name)
	}
	return nil
}

func rowType(call *ast.CallExpr, functions map[string]*ast.FuncType) (string, error) {
	switch f := call.Fun.(type) {
	case *ast.IndexExpr: // hidden[DayOpened](…)
		if name, is := f.Index.(*ast.Ident); is {
			return name.Name, nil
		}
	case *ast.IndexListExpr: // formerly[fillV1, …](…)
		if name, is := f.Indices[0].(*ast.Ident); is {
			return name.Name, nil
		}
	case *ast.Ident: // ofBot(…, func(e *FillRecorded) …), partly(…, ownTrip)
		if len(call.Args) != 2 {
			break
		}
		var signature *ast.FuncType
		switch arg := call.Args[1].(type) {
		case *ast.FuncLit:
			signature = arg.Type
		case *ast.Ident:
			signature = functions[arg.Name]
		}
		if signature == nil || len(signature.Params.List) == 0 {
			break
		}
		if star, is := signature.Params.List[0].Type.(*ast.StarExpr); is {
			if name, is := star.X.(*ast.Ident); is {
				return name.Name, nil
			}
		}
	}
	return "", errors.New("a row of the registry does not show its struct: write name[Struct](…), or a function that takes a *Struct")
}

// has reports whether a type, or what it embeds, has a method.
func (s *source) has(name, method string) bool {
	if slices.Contains(s.methods[name], method) {
		return true
	}
	st, is := s.types[name].(*ast.StructType)
	if !is {
		return false
	}
	for _, f := range st.Fields.List {
		if embedded, is := f.Type.(*ast.Ident); is && len(f.Names) == 0 && s.has(embedded.Name, method) {
			return true
		}
	}
	return false
}
