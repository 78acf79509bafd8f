"""The recurrent decoder: six networks, one way through.

A photo is read once (`begin`): every region of the encoder's grid becomes a value and, with attention,
a key; the mean of the values sets the state the recurrent cell starts from. A caption is then spoken token
by token (`step`): the cell moves, looks at the photo with its new state, and both together choose the word.

As in Luong et al. 2015 (section 3, global attention) the cell does not wait for what attention saw, so a
whole caption's attention and vocabulary products are a few large matrix products outside the time loop.
"""

import keras
import tensorflow as tf
from keras import ops

from captioner.errors import OptionsError
from captioner.model.packing import Packing
from captioner.model.recurrence import run_cell, run_step
from captioner.options import NetworkOptions

RECURRENT_LAYERS = {
    "rnn": keras.layers.SimpleRNN,  # Elman 1990
    "lstm": keras.layers.LSTM,  # Hochreiter and Schmidhuber 1997, with the forget gate of Gers 2000
    # reset_after is Cho et al. 2014 in its first version (arXiv 1406.1078v1): the reset gate acts on the
    # projected state, so that one product serves all three gates.
    "gru": lambda units, **kwargs: keras.layers.GRU(units, reset_after=True, **kwargs),
}


def dense(layer: keras.layers.Dense, inputs):
    """What the layer gives, in one product whatever axes come before the last: LiteRT would wait for a reshape."""
    outputs = tf.matmul(inputs, layer.kernel)
    return layer.activation(outputs if layer.bias is None else outputs + layer.bias)


class CaptionNetwork(keras.Model):
    """Log-probabilities of the next token, given a photo's features and the tokens before it."""

    def __init__(self, options: NetworkOptions, vocabulary_size: int, num_regions: int, depth: int):
        super().__init__(name="decoder")
        self.options = options
        self.vocabulary_size = vocabulary_size
        units = options.units
        self.value_projection = keras.layers.Dense(units, name="value_projection")
        self.region_position = keras.layers.Embedding(num_regions, units, name="region_position")
        self.value_dropout = keras.layers.Dropout(options.dropout, seed=1)
        self.initial_state = keras.layers.Dense(units * self.num_states, activation="tanh", name="initial_state")
        self.embedding = keras.layers.Embedding(vocabulary_size, options.embedding_dim, name="embedding")
        self.embedding_dropout = keras.layers.Dropout(options.dropout, seed=2)
        self.recurrent = RECURRENT_LAYERS[options.decoder](units, return_sequences=True, name="recurrent")
        self.recurrent.build((None, None, options.embedding_dim))  # it is its cell that is called
        self.recurrent_dropout = keras.layers.Dropout(options.recurrent_dropout, seed=4)
        if options.attention:
            self.key_projection = keras.layers.Dense(units, use_bias=False, name="key_projection")
            self.query_projection = keras.layers.Dense(units, use_bias=False, name="query_projection")
            self.combination = keras.layers.Dense(units, activation="tanh", name="combination")
        self.output_dropout = keras.layers.Dropout(options.dropout, seed=3)
        self.vocabulary_projection = keras.layers.Dense(vocabulary_size, name="vocabulary_projection")
        self.num_regions, self.depth = num_regions, depth

    @property
    def num_states(self) -> int:
        """How many vectors the cell carries from step to step: an LSTM has a memory beside its output."""
        return 2 if self.options.decoder == "lstm" else 1

    def begin(self, features):
        """What a photo gives its captions, computed once: `{"keys", "values", "state"}`.

        features: (photos, regions, depth) -> keys and values: (photos, regions, units), only with attention;
        state: (photos, states * units), the cell's vectors side by side.
        """
        return self._begin(features, dense)

    def _begin(self, features, project, training=False):
        """project: how a layer is applied to (photos, regions, ...)."""
        values = project(self.value_projection, features) + self.region_position(ops.arange(self.num_regions))
        values = self.value_dropout(ops.relu(values), training=training)
        image = {"state": self.initial_state(ops.mean(values, axis=1))}
        if self.options.attention:
            image |= {"keys": project(self.key_projection, values), "values": values}
        return image

    def step(self, token, state, keys=None, values=None):
        """One step of every beam: `{"log_probs", "state", "attention"}`, attention only where there is one.

        token: (photos, beams) int32; state: (photos, beams, states * units); keys, values as from `begin`
        -> log_probs: (photos, beams, vocabulary), natural log; attention: (photos, beams, regions), sums to 1.
        """
        states = self.move(token, tf.split(state, self.num_states, axis=-1))
        return {"state": tf.concat(states, axis=-1)} | self.choose(states[0], keys, values)

    def move(self, token, states):
        """The cell's states once it has read a token; what it says, the hidden state, comes first.

        token: (photos, beams) int32; states: each (photos, beams, units), as many as `num_states`.
        """
        embedded = tf.gather(self.embedding.embeddings, token)  # (photos, beams, embedding)
        return run_step(self.recurrent.cell, embedded, states)

    def choose(self, hidden, keys=None, values=None):
        """What a hidden state, (photos, beams, units), makes likely: `{"log_probs", "attention"}` as of `step`."""
        result = {}
        if self.options.attention:
            seen, result["attention"] = self._look(dense(self.query_projection, hidden), keys, values)
            hidden = dense(self.combination, tf.concat([hidden, seen], axis=-1))
        return result | {"log_probs": tf.nn.log_softmax(dense(self.vocabulary_projection, hidden))}

    def call(self, features, tokens, packing: Packing, training=False):
        """Teacher forcing: logits of every next token, at the spoken positions alone.

        features: (photos, regions, depth); tokens: (photos, captions, time) int32, first the start token
        -> (rows, vocabulary), rows as packed. A photo's captions share its keys and values.
        """
        num_photos, num_captions, _ = ops.shape(tokens)
        # by the layers themselves, whose flat product has the cheaper gradient
        image = self._begin(features, lambda layer, inputs: layer(inputs), training)
        embedded = self.embedding_dropout(self.embedding(packing.pack(tokens)), training=training)
        state = ops.repeat(image["state"], num_captions, axis=0)
        cell, states = self.recurrent.cell, ops.split(state, self.num_states, axis=-1)
        # the same weights are dropped at every time step of a batch: DropConnect (Merity et al. 2018, section 2)
        kernel = self.recurrent_dropout(cell.recurrent_kernel, training=training)
        hidden = run_cell(cell, embedded, states, packing, kernel)
        if self.options.attention:
            queries = packing.unpack(self.query_projection(hidden))
            queries = ops.reshape(queries, (num_photos, -1, self.options.units))
            seen, _ = self._attend(queries, image["keys"], image["values"])
            hidden = self._join(hidden, packing.pack(ops.reshape(seen, (*ops.shape(tokens), self.options.units))))
        return self.vocabulary_projection(self.output_dropout(hidden, training=training))

    def _look(self, query, keys, values):
        """As `_attend`, one head after the other: no array changes its number of axes, which LiteRT would wait for."""
        num_heads = self.options.num_heads
        query /= (self.options.units // num_heads) ** 0.5
        heads = zip(*(tf.split(array, num_heads, axis=-1) for array in (query, keys, values)), strict=True)
        attention, seen = [], []
        for query_of_head, keys_of_head, values_of_head in heads:
            attention.append(tf.nn.softmax(tf.matmul(query_of_head, keys_of_head, transpose_b=True)))
            seen.append(tf.matmul(attention[-1], values_of_head))
        return tf.concat(seen, axis=-1), tf.add_n(attention) / num_heads

    def _attend(self, queries, keys, values):
        """Where the cell looks and what it sees there: `(seen, attention)`.

        queries: (photos, rows, units); keys, values: (photos, regions, units)
        -> seen: (photos, rows, units); attention: (photos, rows, regions), sums to 1, the mean of all heads.
        Scaled dot product with several heads (Vaswani et al. 2017, section 3.2): each has its share of the units,
        and so may look somewhere else.
        """
        queries, keys, values = (self._split_heads(array) for array in (queries, keys, values))
        scores = ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2))) / queries.shape[-1] ** 0.5
        attention = ops.softmax(scores, axis=-1)  # (photos, heads, rows, regions)
        seen = ops.transpose(ops.matmul(attention, values), (0, 2, 1, 3))
        seen = ops.reshape(seen, (ops.shape(seen)[0], -1, self.options.units))
        return seen, ops.mean(attention, axis=1)

    def _split_heads(self, array):
        """(photos, rows, units) -> (photos, heads, rows, units / heads)"""
        num_heads = self.options.num_heads
        shape = (ops.shape(array)[0], -1, num_heads, self.options.units // num_heads)
        return ops.transpose(ops.reshape(array, shape), (0, 2, 1, 3))

    def _join(self, hidden, seen):
        """What the cell says after looking (Luong et al. 2015, eq. 5)."""
        return self.combination(ops.concatenate([hidden, seen], axis=-1))


def build_network(options: NetworkOptions, vocabulary_size: int, num_regions: int, depth: int) -> CaptionNetwork:
    """The network with its weights made, drawn at random."""
    network = CaptionNetwork(options, vocabulary_size, num_regions, depth)
    packing = Packing.of(ops.ones((1, 1), "int32"), 1)
    network(ops.zeros((1, num_regions, depth)), ops.zeros((1, 1, 1), "int32"), packing=packing)
    return network


def check_growth(source: NetworkOptions, options: NetworkOptions) -> None:
    """Raises: OptionsError when the options ask for another network than the source is; dropout may differ."""
    for name, value in source.to_json().items():
        if "dropout" not in name and getattr(options, name) != value:
            raise OptionsError(f"the model to go on from has {name} {value}, not {getattr(options, name)}")


def grown_network(source: CaptionNetwork, options: NetworkOptions, vocabulary_size: int) -> CaptionNetwork:
    """A network that starts with the weights of `source`; rows of words that it did not know are drawn at random.

    Raises: OptionsError when the options ask for another network than the source is.
    """
    check_growth(source.options, options)
    network = build_network(options, vocabulary_size, source.num_regions, source.depth)
    for grown, known in zip(network.trainable_variables, source.trainable_variables, strict=True):
        value = grown.numpy()
        value[tuple(slice(length) for length in known.shape)] = known.numpy()
        grown.assign(value)
    return network
