"""Habits from other libraries, and what to write here instead: one table, looked up on errors.

Somebody who knows PyTorch, Keras or scikit-learn writes ``Adam(lr=0.01)``, ``network.fit`` or
``from chainrule import Dense``. Python would only say that there is no such name. A class that
inherits from `GivesAdvice` looks the name up in the tables below, and says what to write.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from chainrule.errors import ConfigurationError

Function = TypeVar("Function", bound=Callable[..., Any])

NO_MODE = "there is no mode to switch: a pass is for training unless it is predict(x)"
NO_ZEROING = "each backward pass sets the gradients anew, so there is nothing to zero"
TRAINED = "a Trainer trains it: Trainer(network, loss, optimizer).fit(X, y)"
MEASURED = "Trainer(network, loss, optimizer, metrics=[accuracy]).evaluate(X, y) measures it"
ON_THE_PROCESSOR = "everything runs on the processor, in NumPy"
IN_FIT = "it is an argument of fit: Trainer(network, loss, optimizer).fit(X, y, ...)"
SIZES_FIRST = "sizes come first: Linear(in_features, out_features)"
IS_A_LAYER = "an activation is a layer of its own: [Linear(4, 8), ReLU()]"
ANY_FUNCTION = "a schedule is a function of the step: Adam(lambda step: 0.01 / (step + 1))"
THREE_AXES = "layers over three axes are not here; Conv2d and MaxPool2d take slices as channels"
SIZES_KNOWN = "sizes are always given: Linear(in_features, out_features), Conv2d(3, 8, 5)"
ONE_STEP = "in a Module, lstm.forward(x, h_0=h, c_0=c, return_state=True) takes one step (N, 1, D)"
OWN_LAYER = "two methods make a layer: a Module with forward and backward; check_module checks it"
OWN_LOSS = "two methods make a loss: a Loss with losses and gradients; check_loss checks it"
A_MEAN = (
    "a loss is always the mean over the batch, weighted by sample_weight. For the sum multiply it, "
    "and its gradient, by loss.total_weight(y_true, y_pred), in training the learning rate; each "
    "row's own loss is loss.losses(*loss.rows(y_true, y_pred))"
)

# ---------------------------------------------------------------- attributes

MODULE_ATTRIBUTES = {
    "fit": TRAINED,
    "compile": "loss and optimizer go to the Trainer: Trainer(network, loss, optimizer)",
    "train": f"{NO_MODE}; {TRAINED}",
    "eval": NO_MODE,
    **dict.fromkeys(("evaluate", "score"), MEASURED),
    "predict_proba": "a network that ends in Softmax or Sigmoid gives probabilities: predict(X)",
    "predict_classes": "predict(X).argmax(axis=1) gives the classes",
    "zero_grad": NO_ZEROING,
    "state_dict": "state() returns all values by name, and save(path) writes them",
    "load_state_dict": "load_state(state) takes values by name; Network.load(path) reads a file",
    "get_weights": "state() returns all values by name, parameters() the parameters",
    "set_weights": "load_state(state) takes values by name",
    "load_weights": "Network.load(path) reads a file that save(path) wrote",
    "save_weights": "save(path) writes the architecture and all values",
    "trainable_weights": "[p for p in parameters() if p.trainable] are those that learn",
    "weights": "parameters() returns the parameters, named_parameters() them by their names",
    "add": "a network is built whole: Network([Linear(4, 8), ReLU(), Linear(8, 3)])",
    "append": "a network is built whole: Network([Linear(4, 8), ReLU(), Linear(8, 3)])",
    "to": f"{ON_THE_PROCESSOR}; Network(..., dtype='float64') chooses the type",
    **dict.fromkeys(("cuda", "cpu"), ON_THE_PROCESSOR),
    "double": "Network(..., dtype='float64') chooses the type",
    "float": "Network(..., dtype='float32') chooses the type",
    "half": "networks compute in float32 or float64",
    "modules": "named_modules() returns every module by its path; network.layers are the layers",
    **dict.fromkeys(("requires_grad", "requires_grad_"), "freeze() and unfreeze() are for that"),
    "training": NO_MODE,
    "register_buffer": "assign a Buffer: self.mean = Buffer(values)",
    "register_parameter": "assign a Parameter: self.weight = Parameter(values)",
    "register_forward_hook": "chainrule.watching.watch(network, watcher) shows every pass",
}
NEVER_OWN = ("requires_grad",)
"""Names that not even a user's class gives another meaning to: to assign is a habit."""

OPTIMIZER_ATTRIBUTES = {
    "zero_grad": NO_ZEROING,
    "param_groups": "lr_multipliers={'layers.0.*': 0.1} gives parameters rates of their own",
    "apply_gradients": "after network.backward(gradient) it is optimizer.step(network)",
    "minimize": "after network.backward(gradient) it is optimizer.step(network)",
    "update": "it is optimizer.step(network)",
    "lr": "it is called learning_rate",
    "state_dict": "state() returns its memory by name",
    "load_state_dict": "load_state(state) takes its memory by name",
}
LOSS_ATTRIBUTES = {
    "item": "forward(y_true, y_pred) returns a number already",
    "reduction": A_MEAN,
}
ENSEMBLE_ATTRIBUTES = {
    "predict_proba": "predict(X) returns probabilities",
    "score": "accuracy(y, ensemble.predict(X)) of chainrule.metrics measures",
    "evaluate": "accuracy(y, ensemble.predict(X)) of chainrule.metrics measures",
    **dict.fromkeys(("estimators_", "models"), "networks() returns the members as single networks"),
    "compile": "loss and optimizer are options of fit",
}
ESTIMATOR_ATTRIBUTES = {
    "coefs_": "network_.networks()[0].named_parameters() are the first member's",
    "intercepts_": "network_.networks()[0].named_parameters() are the first member's",
    "best_loss_": "it is best_validation_score_ (greater is better), or loss_",
    **dict.fromkeys(("model_", "module_"), "it is called network_"),
    "compile": "options go to the constructor",
    "evaluate": "score(X, y) measures",
    "load": "joblib.load reads an estimator",
}
TRAINER_ATTRIBUTES = {
    "train": "it is fit(X, y)",
    "compile": "loss and optimizer are given when it is built: Trainer(network, loss, optimizer)",
    "save": "trainer.network.save(path) writes the network, the Checkpoint callback the training",
    **dict.fromkeys(("test", "score"), "evaluate(X, y) measures, predict(X) predicts"),
    "validate": "evaluate(X, y) measures; fit(..., validation_data=(X, y)) does after every epoch",
}

# ---------------------------------------------------------------- options

RENAMED = "it is called "

OPTIONS = {
    **dict.fromkeys(("lr", "eta", "learning_rate_init", "eta0"), "it is called learning_rate"),
    "betas": "they are called beta1 and beta2",
    "beta_1": "it is called beta1",
    "beta_2": "it is called beta2",
    "eps": "it is called epsilon",
    "rate": "it is called p",
    "dim": "it is called axis",
    "nesterov": "it is an optimizer of its own: Nesterov(learning_rate, momentum=0.9)",
    "momentum": "it is an optimizer of its own: Momentum(learning_rate, momentum=0.9)",
    "amsgrad": "Adam and AdamW have it",
    "dampening": "Momentum has it: Momentum(learning_rate, momentum=0.9, dampening=0.1)",
    "maximize": "an optimizer makes the loss smaller; change the loss's sign",
    "decoupled_weight_decay": "AdamW has it; elsewhere make a subclass with decoupled = True",
    **dict.fromkeys(("foreach", "fused", "capturable"), "a step is always a few vector operations"),
    "lr_decay": "give a schedule: AdaGrad(lambda step: 0.01 / (1 + 0.1 * step))",
    "etas": "they are called eta_minus and eta_plus",
    "step_sizes": "they are called min_step and max_step",
    "ns_steps": "it is called newton_schulz_steps",
    "adjust_lr_fn": "it is called scale",
    "exclude_layers": "it is called adamw",
    "line_search_fn": "LBFGS always searches until the strong Wolfe conditions hold",
    **dict.fromkeys(("max_eval", "maxls"), "it is called max_evaluations"),
    "params": "an optimizer is not given the parameters; optimizer.step(network) moves them",
    **dict.fromkeys(("activation", "nonlinearity"), IS_A_LAYER),
    **dict.fromkeys(("input_shape", "input_dim", "output_dim", "units"), SIZES_FIRST),
    "filters": "sizes come first: Conv2d(in_channels, out_channels, kernel_size)",
    "strides": "it is called stride",
    **dict.fromkeys(("kernel_initializer", "init_method"), "it is called initialization"),
    "use_bias": "it is called bias",
    "batch_first": "the batch axis always comes first: (N, T, features)",
    "elementwise_affine": "it is called affine",
    "track_running_stats": "BatchNorm and InstanceNorm have it",
    "padding_mode": "Conv1d and Conv2d have it; Pad1d and Pad2d are layers of their own",
    "return_indices": "a pooling layer keeps to itself where the largest values were",
    "divisor_override": "a mean is over the window; count_include_pad=False leaves padding out",
    "align_corners": "the middles of pixels match, as with align_corners=False",
    "pool_size": "it is called kernel_size",
    "dilation_rate": "it is called dilation",
    "interpolation": "it is called mode",
    "data_format": "channels come first: (N, C, H, W)",
    "proj_size": "LSTM alone has a projection",
    **dict.fromkeys(("recurrent_dropout", "zoneout"), "dropout acts between layers"),
    "stateful": "states go from batch to batch by hand: forward(x, h_0=h, return_state=True)",
    "go_backwards": "bidirectional=True reads sequences from both ends",
    "d_model": "it is called embed_dim",
    "nhead": "it is called num_heads",
    "dim_feedforward": "it is called hidden_size",
    "layer_norm_eps": "it is called epsilon",
    "key_dim": "sizes come first: MultiHeadAttention(embed_dim, num_heads)",
    **dict.fromkeys(("kdim", "vdim"), "a context has embed_dim features; a Linear makes them so"),
    **dict.fromkeys(("add_bias_kv", "add_zero_attn"), "attending to nothing gives zeros already"),
    "return_sequences": "it always returns every step; LastStep() behind it keeps the last",
    "inplace": "a layer never writes into its input",
    **dict.fromkeys(("trainable", "requires_grad"), "build it, then freeze() it"),
    "device": ON_THE_PROCESSOR,
    "weight": "classes are weighted by class_weight, samples by sample_weight in forward",
    "pos_weight": "classes are weighted by class_weight, samples by sample_weight in forward",
    **dict.fromkeys(("reduction", "size_average", "reduce"), A_MEAN),
    "ignore_class": "it is called ignore_index",
    "ignore_index": "sample_weight=0 leaves places of a sequence out",
    "verbose": "it is called progress: progress=False shows nothing",
    **dict.fromkeys(("nb_epoch", "n_epochs", "max_iter"), "it is called epochs"),
    "random_state": "it is called seed",
    "optimizer": "the optimizer goes to the Trainer: Trainer(network, loss, optimizer)",
    "loss": "the loss goes to the Trainer: Trainer(network, loss, optimizer)",
    "learning_rate": "it belongs to the optimizer: Adam(learning_rate=0.001)",
    **dict.fromkeys(("epochs", "batch_size"), IN_FIT),
    "metrics": "metrics go to the Trainer: Trainer(network, loss, optimizer, metrics=[accuracy])",
    # scikit-learn, gradient boosting
    "hidden_layer_sizes": "it is called hidden_layers",
    "alpha": "it is called weight_decay",
    "solver": "it is called optimizer",
    "n_iter_no_change": "it is called patience",
    "tol": "training stops after `patience` epochs without any improvement",
    "power_t": "learning_rate is a number; a Trainer takes schedules",
    "nesterovs_momentum": "it is an optimizer of its own: optimizer='nesterov'",
    "shuffle": "samples are always shuffled",
    "max_fun": "it belongs to LBFGS, by which a Trainer trains a network",
    **dict.fromkeys(("n_estimators", "n_members"), "it is called members"),
    "n_jobs": "the members train as one; give n_jobs to GridSearchCV or cross_val_score",
    "seed": "it is called random_state",
    "validation_split": "it is called validation_fraction",
    "dropout_rate": "it is called dropout",
    "eval_set": "it is called validation_data",
    "callbacks": "a Trainer takes callbacks",
    **dict.fromkeys(("display_labels", "labels"), "it is called class_names"),
    "ax": "a plot is a figure of its own: figure.axes[0] is its panel",
    "figsize": "figure.set_size_inches(width, height) sets the size of the figure returned",
}
"""Options of other names, by what they are called elsewhere.

One that "is called" something here is only told where the call really takes that."""

PER_MEMBER = "each member has its own: Ensemble(sizes, [{'learning_rate': 0.01}, ...])"
TO_ENSEMBLE_FIT = "it is an option of fit: ensemble.fit(X, y, ...)"
AFTER_EACH_EPOCH = "on_epoch_end is called after every epoch"
TO_ESTIMATOR = "it is an option of the estimator, not of fit"

ENSEMBLE_OPTIONS = {
    **dict.fromkeys(("learning_rate", "lr", "weight_decay", "dropout"), PER_MEMBER),
    **dict.fromkeys(("loss", "optimizer", "epochs", "batch_size"), TO_ENSEMBLE_FIT),
    **dict.fromkeys(("callbacks", "verbose", "progress"), AFTER_EACH_EPOCH),
    "hidden_layers": "sizes come first: Ensemble([4, 10, 3], members=8)",
    "hidden_layer_sizes": "sizes come first: Ensemble([4, 10, 3], members=8)",
    **dict.fromkeys(("estimators", "networks"), "it is called members"),
    "metrics": "it is called metric",
    "early_stopping": "give patience=10, and validation_split=0.2 or cv=5",
}
ESTIMATOR_OPTIONS = {
    **dict.fromkeys(("epochs", "batch_size", "verbose", "class_weight"), TO_ESTIMATOR),
    "validation_split": "the estimator has the option validation_fraction",
    "callbacks": "verbose may be a function, called after every epoch; a Trainer takes callbacks",
    **dict.fromkeys(("model", "module"), "it is called network"),
    "layers": "sizes are hidden_layers=(128, 128); layers of your own are network=Network([...])",
    "momentum": "give optimizer='momentum', or functools.partial(Momentum, momentum=0.9)",
    "beta_1": "give optimizer=functools.partial(Adam, beta1=0.9)",
    "beta_2": "give optimizer=functools.partial(Adam, beta2=0.999)",
    "epsilon": "give optimizer=functools.partial(Adam, epsilon=1e-8)",
}
"""What is said instead by `Ensemble` and by the estimators."""

OPTIMIZER_OPTIONS = {
    "alpha": "it is called rho",
    "max_iter": "it is called iterations",
    "clipnorm": "Trainer(..., clip_norm=1.0) clips, or clip_by_global_norm before each step",
}
SCHEDULE_OPTIONS = {
    "initial_learning_rate": "it is called initial",
    "max_lr": "it is called highest",
    "eta_min": "it is called final",
    "step_size": "it is called every",
    "gamma": "it is called factor",
    **dict.fromkeys(("decay_steps", "total_steps", "T_max", "total_iters"), "it is called steps"),
    "pct_start": "it is called warmup",
    "last_epoch": "a schedule has no state: the optimizer counts the steps",
}

# ---------------------------------------------------------------- hooks of callbacks

CALLBACK_HOOKS = {
    **dict.fromkeys(("on_train_begin", "on_train_start", "on_fit_start"), "on_fit_begin"),
    **dict.fromkeys(("on_train_end", "on_fit_stop"), "on_fit_end"),
    **dict.fromkeys(("on_batch_end", "on_train_batch_end"), "on_step_end"),
    **dict.fromkeys(("on_train_epoch_end", "on_validation_end", "on_test_end"), "on_epoch_end"),
    **dict.fromkeys(("on_validation_epoch_end", "on_evaluate"), "on_epoch_end"),
    **dict.fromkeys(("on_epoch_begin", "on_epoch_start"), "on_epoch_end"),
    **dict.fromkeys(("on_batch_begin", "on_train_batch_begin", "on_step_begin"), "on_step_end"),
}
"""Moments at which other libraries call a callback, by the nearest hook here."""

# ---------------------------------------------------------------- names

NAMES = {
    "Dense": "it is called Linear: Linear(in_features, out_features)",
    "BatchNorm1d": "it is called BatchNorm, for tables, sequences and images alike",
    "BatchNorm2d": "it is called BatchNorm, for tables, sequences and images alike",
    "BatchNorm3d": "it is called BatchNorm, for tables, sequences and images alike",
    "BatchNormalization": "it is called BatchNorm",
    "LayerNormalization": "it is called LayerNorm",
    "Conv2D": "it is called Conv2d",
    "Conv1D": "it is called Conv1d",
    "Conv1DTranspose": "it is called ConvTranspose1d",
    "Conv2DTranspose": "it is called ConvTranspose2d",
    "DepthwiseConv2D": "it is Conv2d(channels, channels, kernel_size, groups=channels)",
    "SeparableConv2D": "it is Conv2d(c, c, kernel_size, groups=c), then Conv2d(c, filters, 1)",
    **dict.fromkeys(("MaxPooling1D", "MaxPool1D"), "it is called MaxPool1d"),
    **dict.fromkeys(("MaxPooling2D", "MaxPool2D"), "it is called MaxPool2d"),
    "AveragePooling1D": "it is called AvgPool1d",
    "AveragePooling2D": "it is called AvgPool2d",
    **dict.fromkeys(
        ("GlobalAveragePooling1D", "GlobalAveragePooling2D"), "it is called GlobalAvgPool"
    ),
    **dict.fromkeys(("GlobalMaxPooling1D", "GlobalMaxPooling2D"), "it is called GlobalMaxPool"),
    **dict.fromkeys(("Conv3d", "ConvTranspose3d", "MaxPool3d", "AvgPool3d"), THREE_AXES),
    **dict.fromkeys(("AdaptiveAvgPool3d", "AdaptiveMaxPool3d"), THREE_AXES),
    **dict.fromkeys(
        ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
        "it is called InstanceNorm, for sequences and images alike",
    ),
    "SyncBatchNorm": "it is BatchNorm with Trainer(..., sync_batch_norm=True)",
    "GroupNormalization": "it is called GroupNorm",
    **dict.fromkeys(("LocalResponseNorm", "CrossMapLRN2d"), "GroupNorm and BatchNorm replaced it"),
    **dict.fromkeys(
        ("Dropout1d", "Dropout2d", "Dropout3d", "SpatialDropout1D", "SpatialDropout2D"),
        "it is called SpatialDropout, for sequences and images alike",
    ),
    "FeatureAlphaDropout": "AlphaDropout drops single numbers, SpatialDropout whole channels",
    "Hardsigmoid": "it is called HardSigmoid",
    "Hardswish": "it is called HardSwish",
    "Hardtanh": "it is called HardTanh",
    **dict.fromkeys(("Threshold", "Hardshrink", "Softshrink", "Tanhshrink", "RReLU"), OWN_LAYER),
    "Softmax2d": "it is Softmax(axis=1)",
    "Softmin": "it is Softmax of the numbers with the other sign",
    **dict.fromkeys(("ZeroPad1d", "ConstantPad1d"), "it is Pad1d((left, right), value=0.0)"),
    **dict.fromkeys(
        ("ZeroPad2d", "ConstantPad2d", "ZeroPadding2D"),
        "it is Pad2d(((top, bottom), (left, right)), value=0.0)",
    ),
    "ReflectionPad1d": "it is Pad1d((left, right), mode='reflect')",
    "ReflectionPad2d": "it is Pad2d(((top, bottom), (left, right)), mode='reflect')",
    "ReplicationPad1d": "it is Pad1d((left, right), mode='replicate')",
    "ReplicationPad2d": "it is Pad2d(((top, bottom), (left, right)), mode='replicate')",
    "CircularPad1d": "it is Pad1d((left, right), mode='circular')",
    "CircularPad2d": "it is Pad2d(((top, bottom), (left, right)), mode='circular')",
    **dict.fromkeys(
        ("UpSampling1D", "UpSampling2D", "UpsamplingNearest2d"), "it is called Upsample"
    ),
    "UpsamplingBilinear2d": "Upsample(2, mode='linear') matches the middles of pixels, not corners",
    **dict.fromkeys(
        ("MaxUnpool1d", "MaxUnpool2d"), "Upsample and ConvTranspose2d make images larger"
    ),
    "FractionalMaxPool2d": "AdaptiveMaxPool2d pools to any size",
    **dict.fromkeys(("LPPool1d", "LPPool2d"), "AvgPool2d and MaxPool2d are its two ends"),
    **dict.fromkeys(("Fold", "Unfold"), "Conv2d lays out patches by itself"),
    "ChannelShuffle": "Reshape and Transpose move channels",
    "Unflatten": "it is Reshape(shape), without the batch axis",
    "Permute": "it is called Transpose",
    "EmbeddingBag": "Embedding, Transpose((1, 0)) and GlobalAvgPool give the mean of the vectors",
    **dict.fromkeys(("Bilinear", "PairwiseDistance", "Lambda"), OWN_LAYER),
    "MultiheadAttention": "it is called MultiHeadAttention",
    "TransformerEncoderLayer": "it is called TransformerBlock",
    "TransformerEncoder": "it is Sequential([TransformerBlock(...), ...])",
    **dict.fromkeys(
        ("Transformer", "TransformerDecoder", "TransformerDecoderLayer"),
        "a decoder is a Graph of TransformerBlock, and MultiHeadAttention with a context",
    ),
    **dict.fromkeys(("RNNCell", "LSTMCell", "GRUCell", "SimpleRNNCell"), ONE_STEP),
    "SimpleRNN": "it is called RNN; LastStep() behind it keeps the last step",
    "Bidirectional": "LSTM(..., bidirectional=True) has LastStep() behind it for one vector",
    "TimeDistributed": "Linear and other layers take (N, T, features) as they are",
    **dict.fromkeys(
        ("ModuleList", "ModuleDict"), "a list or dict may hold what is a Module, as an attribute"
    ),
    **dict.fromkeys(("ParameterList", "ParameterDict"), "a list of Parameter is an attribute"),
    **dict.fromkeys(("LazyLinear", "LazyConv1d", "LazyConv2d", "LazyBatchNorm1d"), SIZES_KNOWN),
    **dict.fromkeys(("LazyBatchNorm2d", "LazyConvTranspose2d"), SIZES_KNOWN),
    "KLDivLoss": "it is called KLDivergence",
    "PoissonNLLLoss": "it is called Poisson",
    "MultiMarginLoss": "it is called MultiMargin",
    "CosineEmbeddingLoss": "CosineSimilarity compares vectors",
    "MultiLabelSoftMarginLoss": "it is BinaryCrossEntropy(from_logits=True)",
    "SoftMarginLoss": "it is BinaryCrossEntropy(from_logits=True), with labels 0 and 1",
    **dict.fromkeys(("GaussianNLLLoss", "CTCLoss", "TripletMarginLoss"), OWN_LOSS),
    **dict.fromkeys(("MarginRankingLoss", "HingeEmbeddingLoss", "MultiLabelMarginLoss"), OWN_LOSS),
    "Model": "it is called Network; Network(Graph(...)) is one with several inputs or outputs",
    "CrossEntropyLoss": "it is CategoricalCrossEntropy(from_logits=True)",
    "NLLLoss": "it is CategoricalCrossEntropy behind a Softmax",
    **dict.fromkeys(("BCELoss", "BinaryCrossentropy"), "it is called BinaryCrossEntropy"),
    "BCEWithLogitsLoss": "it is BinaryCrossEntropy(from_logits=True)",
    "MSELoss": "it is called MeanSquaredError",
    "L1Loss": "it is called MeanAbsoluteError",
    **dict.fromkeys(("SmoothL1Loss", "HuberLoss"), "it is called Huber"),
    "SparseCategoricalCrossentropy": "CategoricalCrossEntropy takes class numbers as they are",
    "CategoricalCrossentropy": "it is called CategoricalCrossEntropy",
    "RMSProp": "it is called RMSprop",
    "Adagrad": "it is called AdaGrad",
    "Nadam": "it is called NAdam",
    "AdaDelta": "it is called Adadelta",
    "AdaMax": "it is called Adamax",
    "RProp": "it is called Rprop",
    "ASGD": "the callback ExponentialMovingAverage averages the weights, with any optimizer",
    "SparseAdam": "gradients are whole arrays here; Adam moves them",
    "Adafactor": "it saves memory where weights have billions of values; here Adam does",
    "StepLR": "it is called StepDecay",
    "MultiStepLR": "it is called MultiStepDecay",
    "ExponentialLR": "it is called ExponentialDecay",
    "CosineAnnealingLR": "it is called CosineDecay",
    "CosineAnnealingWarmRestarts": "it is called CosineRestarts",
    "PolynomialLR": "it is called PolynomialDecay",
    **dict.fromkeys(("LambdaLR", "MultiplicativeLR", "CyclicLR"), ANY_FUNCTION),
    **dict.fromkeys(("SequentialLR", "ChainedScheduler", "LearningRateScheduler"), ANY_FUNCTION),
    "OneCycleLR": "it is called OneCycle",
    "clip_grad_norm_": "it is chainrule.clip_by_global_norm(network, max_norm)",
    "clip_grad_value_": "it is chainrule.clip_by_value(network, limit)",
    "accuracy_score": "it is chainrule.metrics.accuracy",
    "ModelCheckpoint": "it is called Checkpoint",
    "ReduceLROnPlateau": "it is called ReduceOnPlateau",
    "MLPClassifier": "it is chainrule.estimators.NetworkClassifier",
    "MLPRegressor": "it is chainrule.estimators.NetworkRegressor",
    "NetworkClassifier": "it is in chainrule.estimators, which needs scikit-learn",
    "NetworkRegressor": "it is in chainrule.estimators, which needs scikit-learn",
    "StandardScaler": "it is called Standardizer",
    "DataLoader": "Trainer.fit makes the batches; any iterable of (X, y) works, too",
    "Tensor": "arrays are NumPy's",
    "tensor": "arrays are NumPy's: numpy.array(values)",
    "no_grad": "Network.predict(x) keeps nothing for a backward pass",
}
"""Classes and functions of other libraries, by the names that they have there."""


# ---------------------------------------------------------------- looking up


class _SignatureOfInit:
    """A class's signature: that of its __init__, where `inspect` would take __new__'s."""

    def __get__(self, instance: Any, kind: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        if kind.__init__ is object.__init__:  # type: ignore[misc]
            return inspect.Signature()
        whole = inspect.signature(kind.__init__)  # type: ignore[misc]
        return whole.replace(parameters=list(whole.parameters.values())[1:])


class Absent:
    """An attribute that other libraries have: to read it is an error that gives advice.

    So is to assign to it, where that would do nothing: to an object of chainrule's own classes. A
    user's class may give the name another meaning, but for `NEVER_OWN`.

    `__getattr__` would do the same, but makes every attribute of every layer and optimizer slower
    to read: 115 instead of 16 ns in Python 3.11, for those that are there.
    """

    def __init__(self, name: str, advice: str) -> None:
        self.name, self.advice = name, advice
        self.__doc__ = f"Not here: {advice}."  # for help(), which lists it

    def __get__(self, instance: Any, kind: type) -> Any:
        if instance is None or self.name not in vars(instance):
            self._refuse(instance, kind)
        return vars(instance)[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        kind = type(instance)
        if self.name in NEVER_OWN or kind.__module__.startswith("chainrule."):
            self._refuse(instance, kind)
        vars(instance)[self.name] = value

    def _refuse(self, instance: Any, kind: type) -> NoReturn:
        thing = f"{kind.__name__!r} object" if instance is not None else f"type {kind.__name__!r}"
        message = f"{thing} has no attribute {self.name!r}; {self.advice}."
        raise AttributeError(message, name=self.name, obj=instance)


class GivesAdvice:
    """Base class: an option or an attribute that another library has is refused with advice."""

    attribute_advice: ClassVar[Mapping[str, str]] = {}
    """Attributes that people look for, and what to write instead."""

    option_advice: ClassVar[Mapping[str, str]] = {}
    """Options of other names, where `OPTIONS` has none or other advice."""

    positional_advice: ClassVar[str] = ""
    """What is said to someone who gives too many arguments by position."""

    if not TYPE_CHECKING:  # type checkers go by __init__, and by the attributes there are
        __signature__ = _SignatureOfInit()

        def __new__(cls, *arguments: Any, **options: Any) -> Any:
            """Refuse what __init__ does not take, if there is advice for it."""
            advice = advice_on_call(cls, cls.__init__, arguments, options, cls.positional_advice)
            if advice:
                raise ConfigurationError(f"{cls.__name__} {advice}")
            if (arguments or options) and cls.__init__ is object.__init__:
                raise TypeError(f"{cls.__name__}() takes no arguments")  # Python would not say it
            return super().__new__(cls)

        def __init_subclass__(cls, **options: Any) -> None:
            """Put the advice where those attributes would be."""
            super().__init_subclass__(**options)
            for name, advice in vars(cls).get("attribute_advice", {}).items():
                if not hasattr(cls, name):
                    setattr(cls, name, Absent(name, advice))

        def __dir__(self) -> list[str]:
            """List the attributes that are there."""
            absent = [k for k, v in inspect.getmembers_static(type(self)) if isinstance(v, Absent)]
            return [name for name in super().__dir__() if name not in absent or name in vars(self)]


def gives_advice(method: Function) -> Function:
    """Let a method refuse what it does not take with advice, if there is any."""

    @functools.wraps(method)
    def with_advice(self: Any, *arguments: Any, **options: Any) -> Any:
        advice = advice_on_call(type(self), method, arguments, options)
        if advice:
            raise ConfigurationError(f"{type(self).__name__}.{method.__name__} {advice}")
        return method(self, *arguments, **options)

    return with_advice  # type: ignore[return-value]


def advice_on_call(
    kind: type,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: Mapping[str, Any],
    positional_advice: str = "",
) -> str:
    """Return what to say of a call of this method; nothing where it fits, or without advice."""
    count, names, takes_any = _signature(function)
    if takes_any:
        return ""
    own = getattr(kind, "option_advice", {})
    for option in (option for option in options if option not in names):
        advice = own.get(option, OPTIONS.get(option, ""))
        if advice.startswith(RENAMED) and advice.removeprefix(RENAMED).split(":")[0] not in names:
            advice = OPTIONS["learning_rate"] if option == "lr" else ""  # not true of this call
        if advice:
            return f"has no option {option!r}: {advice}."
        if dataclasses.is_dataclass(kind) and option in vars(kind).get("__annotations__", {}):
            return (
                f"declares {option!r}, but its __init__ does not take it: write "
                "@dataclass(eq=False, repr=False) above the class."
            )
    if len(arguments) <= count:
        return ""
    by_name = ", ".join(f"{name}=..." for name in names[count:])
    return positional_advice.format(count=count, names=by_name) if by_name else ""


@functools.cache
def _signature(function: Callable[..., Any]) -> tuple[int, tuple[str, ...], bool]:
    """Return how many arguments may be given by position, all names, and whether any may come."""
    if function is object.__init__:
        return 0, (), False
    parameters = list(inspect.signature(function).parameters.values())[1:]  # without self
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    takes_any = any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)
    return len(positional), tuple(p.name for p in parameters), takes_any
