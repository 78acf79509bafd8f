"""Photos captioned, or encoded, on many machines: Ray carries, the same code captions.

The photos are cut into shards, once, and the plan is written down; each worker opens the model once, captions shard
after shard, and writes each whole or not at all. What is written is not made again, whoever dies.
"""
