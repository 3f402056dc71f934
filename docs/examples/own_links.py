from pykeen.predict import predict_target

from pykeen_adamf.bundle import load

bundle = load("own")
predictions = predict_target(
    model=bundle.model, head="emoji:guitar", relation="in_subgroup", triples_factory=bundle.training
)
print(predictions.filter_triples(bundle.training.mapped_triples).df.head(5))
