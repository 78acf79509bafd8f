"""`captioner models`"""

import click


@click.command()
def models():
    """List the shipped models: size, scores, licence.

    Example: captioner models
    """
    from captioner.metrics import describe_counts
    from captioner.model_folder import DECODER_GRAPH
    from captioner.presets import PRESETS, open_model

    row = "{:<12} {:<43} {:>8} {:>7} {:>8}  {}"
    click.echo(row.format("name", "network", "size", "BLEU-4", "CIDEr-D", "licence"))
    counts = {}
    for name in PRESETS:
        folder = open_model(name)
        record = folder.training
        scores = record["dev_scores"]
        counts.setdefault(describe_counts(scores))
        graphs = folder.encoder_graph_path, folder.path / DECODER_GRAPH
        size = sum(graph.stat().st_size for graph in graphs)
        network = f"{folder.encoder.name}, {folder.network.decoder.upper()}"
        network += " with attention" if folder.network.attention else ""
        scores = f"{scores['bleu_4']:.3f}", f"{scores['cider']:.3f}"
        click.echo(row.format(name, network, f"{size / 1e6:.1f} MB", *scores, record["licence"]))
    click.echo(f"\nSize is what captioning reads; scores are of the dev split ({'; '.join(counts)}).")
    click.echo("The model card in each folder says more.")
    return 0
