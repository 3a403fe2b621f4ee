"""A scikit-learn model that reports each row it is asked, and later the truth."""

import os

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from vedette_client import Client

data = load_iris(as_frame=True)
known, asked, known_labels, labels = train_test_split(data.data, data.target, test_size=0.4, random_state=0)
model = LogisticRegression(max_iter=1000).fit(known, known_labels)

with Client(os.environ.get("VEDETTE_URL", "http://127.0.0.1:10833"), os.environ.get("VEDETTE_API_KEY")) as client:
    ids = [
        client.push(model="iris", modality="tabular", input=row, output=probabilities)
        for row, probabilities in zip(asked.to_dict("records"), model.predict_proba(asked), strict=True)
    ]
    if os.environ.get("VEDETTE_FEEDBACK"):  # needs a key with the scope admin
        # of probabilities, the prediction is the place of the largest: the truth is told as a place, too
        places = {label: place for place, label in enumerate(model.classes_)}
        for id, label in zip(ids, labels, strict=True):
            client.feedback(id, places[label], model="iris")
    client.flush()
    print(client.stats())
