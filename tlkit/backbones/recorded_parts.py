"""Parts of any network, from a recording of its calls; each has one tensor as its input and one as its output."""

import itertools
import threading

from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from tlkit.backbones.freezing.freeze import is_norm
from tlkit.backbones.timm_stages import group_blocks


class Traced(nn.Module):
    """Recorded calls, whose code is part of the fingerprint."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def forward(self, batch):
        """Return the output of the last call."""
        return self.calls(batch)

    def extra_repr(self):
        """Return the code."""
        return self.calls.code.strip()


class _Tracer(fx.Tracer):
    """Records calls down to modules that stay whole."""

    def __init__(self, opened):
        super().__init__()
        self.opened, self.thread = opened, threading.get_ident()

    def is_leaf_module(self, module, path):
        """Return whether a module stays whole."""
        return module not in self.opened

    # Meanwhile torch.fx redirects the calls of all threads; these two leave other threads alone.
    def call_module(self, module, forward, args, kwargs):
        """Record a call of a module."""
        is_own = threading.get_ident() == self.thread
        return super().call_module(module, forward, args, kwargs) if is_own else forward(*args, **kwargs)

    def getattr(self, name, value, cache):
        """Record that a parameter is taken."""
        return super().getattr(name, value, cache) if threading.get_ident() == self.thread else value


def count_parameters(modules):
    """Return the number of parameters of some modules."""
    return sum(value.numel() for module in modules for value in module.parameters())


def find_parts(root, batch, opened, classifier, wanted):
    """Return ({name: module}, tail) of a recording; `wanted` is {name: path of the first module of the stage}."""
    graph = _Tracer(opened).trace(root)
    if any("training" in node.kwargs for node in graph.nodes):
        raise NotImplementedError("a function in it has an argument `training`; use a module such as nn.Dropout")
    ShapeProp(fx.GraphModule(root, graph)).propagate(batch)
    source, *nodes, output = graph.nodes
    ends = [node for node in nodes if node.target == f"network.{classifier}"] or [output.args[0]]
    atoms = _divide(source, nodes, ends[-1])
    if not (trained := [index for index, atom in enumerate(atoms) if _find_layers(root, atom)]):
        raise NotImplementedError("its layers are no modules that it calls, as after torch.export")
    bound = len(atoms)
    if _is_map(atoms[trained[-1]]):  # pooling and all that follows it is no part of a stage
        bound = next((index for index in range(trained[-1], bound) if not _is_map(atoms[index])), bound)
    parts, names, rest = {}, _name_atoms(root, atoms[:bound], wanted), list(itertools.chain(*atoms[bound:]))
    for name, group in itertools.groupby(zip(names, atoms, strict=False), lambda pair: pair[0]):
        calls = [node for _, atom in group for node in atom]
        parts[name], source = _make_part(root, calls, source), calls[-1]
    return parts, _make_part(root, rest, source) if rest else nn.Identity()


def _divide(source, nodes, end):
    """Return lists of calls, of those that lead to `end`, which only one tensor with a row per picture connects."""
    needed, waiting = set(), [end]
    while waiting:
        if (node := waiting.pop()) not in needed:
            needed.add(node)
            waiting += node.all_input_nodes
    places = {node: place for place, node in enumerate(nodes) if node in needed}
    users = {node: [places[user] for user in node.users if user in places] or [len(nodes)] for node in needed}
    # A parameter is taken right before its first use, so that it doesn't connect parts.
    nodes = sorted(places, key=lambda node: min(users[node]) - 0.5 if node.op == "get_attr" else places[node])
    atoms, atom, latest = [], [], max(users[source])
    for node in nodes:
        atom.append(node)
        shape = _shape(node)
        if latest <= places[node] and node.op != "get_attr" and len(shape) > 1 and shape[0] == _shape(source)[0]:
            atoms.append(atom)
            atom = []
        latest = max(latest, max(users[node]))
    return atoms


def _shape(node):
    """Return the shape of a call's output, () if it is no tensor."""
    return getattr(node.meta.get("tensor_meta"), "shape", ())


def _is_map(calls):
    """Return whether the output of some calls has positions."""
    return len(shape := _shape(calls[-1])) > 2 and shape[2:].numel() > 1


def _find_layers(root, calls):
    """Return {path: module} of the calls of modules with parameters."""
    paths = [node.target for node in calls if node.op == "call_module"]
    return {path: root.get_submodule(path) for path in paths if count_parameters([root.get_submodule(path)])}


def _name_atoms(root, atoms, wanted):
    """Return the name of the stage of each list of calls: as wanted, or after the attributes of the network."""
    layers = [_find_layers(root, atom) for atom in atoms]
    names = []
    if wanted:
        for found in layers:
            used = [f"{path}." for path in found]
            begun = [name for name, path in wanted.items() if any(call.startswith(f"network.{path}.") for call in used)]
            names.append([*(begun or names or wanted)][0 if begun or not names else -1])
        if list(dict.fromkeys(names)) != list(wanted):
            raise ValueError(f"cuts are possible at {', '.join(path for found in layers for path in found)}")
        return names
    # Norm layers and calls without parameters belong to the layer before them.
    begins = [any(not is_norm(layer) for layer in found.values()) for found in layers]
    starts = [index for index, is_begin in enumerate(begins) if is_begin]
    calls = []
    for index in starts:
        path = next(path for path, layer in layers[index].items() if not is_norm(layer))
        node = next(node for node in atoms[index] if node.target == path)
        calls.append((path.removeprefix("network."), tuple(_shape(node))))
    start, end, groups = group_blocks(root.network, calls)
    groups = [[calls[0][0]] * start, *groups, [calls[-1][0]] * (len(calls) - end)]
    tops = [group[0].partition(".")[0] for group in groups if group]
    titles = [top if tops.count(top) == 1 and not top.isdigit() else f"stage{n}" for n, top in enumerate(tops, start=1)]
    of_call = [title for title, group in zip(titles, filter(None, groups), strict=True) for _ in group]
    numbers = [max(0, number - 1) for number in itertools.accumulate(begins)]
    for index in range(1, len(atoms)):
        # Pooling and flattening belong to the layer behind them, so that a stage before them gives maps.
        was_map = _is_map(atoms[index - 1]) or numbers[index - 1] > numbers[index]
        if was_map and not layers[index] and not _is_map(atoms[index]):
            numbers[index] = min(numbers[index] + 1, len(of_call) - 1)
    return [of_call[number] for number in numbers]


def _make_part(root, calls, source):
    """Return recorded calls as a module from the tensor `source` to the last call's."""
    graph = fx.Graph()
    copies = {source: graph.placeholder("batch")}
    for node in calls:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[calls[-1]])
    chain = zip([source, *calls], calls, strict=False)
    if all(node.op == "call_module" and node.args == (before,) and not node.kwargs for before, node in chain):
        modules = [root.get_submodule(node.target) for node in calls]
        return modules[0] if len(modules) == 1 else nn.Sequential(*modules)
    return Traced(fx.GraphModule(root, graph))
