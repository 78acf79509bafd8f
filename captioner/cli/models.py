"""`captioner models`"""

import click


@click.command()
def models():
    """List the shipped models: size, scores, licence.

    Example: captioner models
    """
    from captioner.metrics import describe_counts
    from captioner.model_folder import DECODER_GRAPH, ENCODER_GRAPH, ModelFolder
    from captioner.presets import PRESETS

    row = "{:<12} {:<36} {:>8} {:>7} {:>8}  {}"
    click.echo(row.format("name", "network", "size", "BLEU-4", "CIDEr-D", "licence"))
    counts = {}
    for name, path in PRESETS.items():
        folder = ModelFolder.open(path)
        record = folder.training
        scores = record["dev_scores"]
        counts.setdefault(describe_counts(scores))
        size = sum((path / graph).stat().st_size for graph in (ENCODER_GRAPH, DECODER_GRAPH))
        network = f"{folder.encoder.name}, {folder.network.decoder.upper()}"
        network += " with attention" if folder.network.attention else ""
        scores = f"{scores['bleu_4']:.3f}", f"{scores['cider']:.3f}"
        click.echo(row.format(name, network, f"{size / 1e6:.1f} MB", *scores, record["licence"]))
    click.echo(f"\nSize is what captioning reads; scores are of the dev split ({'; '.join(counts)}).")
    click.echo("The model card in each folder says more.")
    return 0
