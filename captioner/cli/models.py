"""`captioner models`"""

import click

from captioner.cli.shared import echo, list_failures


@click.command()
def models():
    """List the shipped models: size, scores, licence.

    Example: captioner models
    """
    from captioner.errors import ModelError
    from captioner.metrics import describe_counts
    from captioner.model_folder import DECODER_GRAPH
    from captioner.presets import PRESETS, open_model

    rows = [("name", "network", "size", "BLEU-4", "CIDEr-D", "licence")]
    counts, broken = {}, []
    for name in PRESETS:
        try:
            folder = open_model(name)
        except ModelError as error:
            broken.append(str(error))
            continue
        record = folder.training
        scores = record["dev_scores"]
        counts.setdefault(describe_counts(scores))
        graphs = folder.encoder_graph_path, folder.path / DECODER_GRAPH
        size = f"{sum(graph.stat().st_size for graph in graphs) / 1e6:.1f} MB"
        network = f"{folder.encoder.name}, {folder.network.decoder.upper()}"
        network += " with attention" if folder.network.attention else ""
        rows.append((name, network, size, f"{scores['bleu_4']:.3f}", f"{scores['cider']:.3f}", record["licence"]))
    name_width, network_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, network, *figures, licence in rows:
        figures = "  ".join(f"{figure:>7}" for figure in figures)
        echo(f"{name:<{name_width}}  {network:<{network_width}}  {figures}  {licence}")
    if counts:
        echo(f"\nSize is what captioning reads; scores are of the dev split ({'; '.join(counts)}).")
        echo("The model card in each folder says more.")
    list_failures(broken)
    return 1 if broken else 0
